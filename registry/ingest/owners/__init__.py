"""The owner of each file: by table, by folder, or one for all.

What may enter: sources of declarations for files, and their formats.
"""
