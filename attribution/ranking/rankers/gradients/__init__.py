"""Rankers by gradients of one model of all works, the views they share, and the loss's curvature.

What may enter: how a gradient becomes a score, and what that needs. Networks that are trained as a
whole have :mod:`~.whitened`, adapters on a frozen base :mod:`~.adapters`.
"""
