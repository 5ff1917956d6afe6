"""Distances between images, and the statistics of stated results.

What may enter: functions of arrays and tensors that know neither ensembles nor the registry.
"""
