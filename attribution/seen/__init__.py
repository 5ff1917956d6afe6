"""Did these models see this very work? The statistic, its probes, and the answer.

What may enter: code that asks whether an image from outside, and not a work like it, was trained
on. The test of a registered work's effect on an image is in :mod:`attribution.evidence`.
"""
