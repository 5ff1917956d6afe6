"""How firm the nearest work of an audited picture is: the facts of the log's event, for reports.

What may enter: readers of that event. The measurement: :mod:`attribution.firmness`.
"""
