"""From pinned noise to an image, the same image again, and the members' predictions for it.

May enter: code that runs members without changing weights or members.
"""
