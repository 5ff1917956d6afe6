"""Content Credentials (C2PA): what we found about a generated image, signed into the image, and
whether a file still has it.

:mod:`assertion` is the form of what we state and :mod:`findings` reads it from the registry; they
need no extra. :mod:`keys`, :mod:`signing`, :mod:`checking` and :mod:`practice_certificates` need
the extra ``c2pa``.
"""
