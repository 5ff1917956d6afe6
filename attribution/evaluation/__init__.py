"""How good the evidence of one ensemble is, measured on that ensemble.

What may enter: a measurement that ``creditline evaluate`` records, as a function of an
:class:`attribution.audit.auditor.Auditor` that returns facts with intervals.
"""
