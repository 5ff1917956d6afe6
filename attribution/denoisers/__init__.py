"""Denoisers: the interface of every kind of denoiser, the kinds, and the ensemble of members.

A kind is one module here. Trainer, sampler, Jacobian, ablation and audit live elsewhere and import
the interface alone.
"""
