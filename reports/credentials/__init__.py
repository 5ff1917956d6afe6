"""Content Credentials (C2PA): what we found about a generated image, signed into the image, and whether a file still has it.

:mod:`assertion` reads what is stated from the registry and needs no extra; :mod:`keys`, :mod:`signing`, :mod:`checking` and
:mod:`practice_certificates` need the extra ``c2pa``.
"""
