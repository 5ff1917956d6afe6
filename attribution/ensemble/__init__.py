"""An ensemble as a value: its recipe, and the members that serve it.

What may enter: values of an ensemble for workers. Networks belong to :mod:`attribution.denoisers`.
"""
