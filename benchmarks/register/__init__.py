"""The register: how fast it takes works and lists them, and how well it reads their files.

What may enter: measurements of the registry alone, without a model: registration, listings, views,
checks of its rows, and what it finds in image files.
"""
