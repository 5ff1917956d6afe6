"""From pinned noise to an image, the same image again, and the members' predictions for it.

What may enter: code that runs members without changing weights or members.
"""
