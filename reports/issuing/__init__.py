"""Issues documents: :mod:`document` takes one kind from the registry to its files, :mod:`stamp`
stamps them, :mod:`issue` writes them and records them in the log. Enter here: code for every kind.
"""
