"""Base models: frozen text-to-image models whose adapters are an ensemble's members.

A base is a folder in diffusers' format. It stays where it lies; the registry keeps its facts, the
hash of each file, and the folder. Its configuration is read as JSON and its weights by their
headers: nothing from a base is imported or executed, and torch is not needed.

What may enter: reading a base's folder, its records, and the check of its files. Networks are in
:mod:`attribution.denoisers`, the words of documents about a base in
:mod:`registry.outputs.base_claim`.
"""
