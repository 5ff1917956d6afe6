"""Did the models see this very work? Truth, rival attacks and false alarms on sets of works.

What may enter: measurements of :mod:`attribution.seen` on members whose works are known.
"""
