"""An ensemble as a value: its recipe, and the members that serve it.

May enter: what a worker needs to know of an ensemble. Networks belong to
:mod:`attribution.denoisers`.
"""
