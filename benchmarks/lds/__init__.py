"""Rankers against retraining: the linear datamodeling score (LDS) of creditline and its peers.

These benchmarks need pictures (``--source``) and hours, so ``python -m benchmarks`` leaves them
out. :mod:`~.compare` grades rankers, :mod:`~.rightsholders` predicts the rightsholder that mattered
most, and :mod:`~.gradient_study` reverses the choices of the gradient ranker one by one. The peers
are the rankers of the extra ``creditline[peers]`` and TracInCP of captum.
"""
