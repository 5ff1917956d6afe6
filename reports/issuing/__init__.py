"""How documents leave: :mod:`document` is one kind of document from the registry to its files,
:mod:`stamp` what each carries, :mod:`issue` how files are written and named in the log. Enter here:
what is the same for every kind.
"""
