"""Whether models saw an image from outside itself: the facts of the answer, and its words.

What may enter: readers of what an audit kept about this question. The measurement:
:mod:`attribution.seen`.
"""
