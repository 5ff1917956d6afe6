"""May a work be trained on? The rule, the effective reviews, and permissions at earlier moments.

What may enter: the rule itself and what it weighs, and nothing that reads files.
"""
