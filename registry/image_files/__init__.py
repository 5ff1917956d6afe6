"""Inspecting image files: hash, type, size, and whether they are complete.

What may enter: checks of one file's bytes; nothing that knows a registry.
"""
