"""May a work be trained on? The rule, the effective reviews, and permissions at earlier moments.

What may enter: the rule and its grounds, and nothing that reads files.
"""
