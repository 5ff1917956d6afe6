"""Rankers against retraining: the linear datamodeling score (LDS) of our rankers and of other
libraries'.

These benchmarks need pictures (``--source``) and hours, so ``python -m benchmarks`` leaves them
out. :mod:`~.compare` grades rankers, :mod:`~.rightsholders` asks which rightsholder mattered, and
:mod:`~.gradient_study` takes back the choices of the gradient ranker one by one. The peers are the
rankers of the extra ``creditline[peers]`` and TracInCP of captum.
"""
