"""Denoisers: the interface that every kind of denoiser implements, the ensemble of members, and the
kinds that exist.

A kind is one module here. Trainer, sampler, Jacobian, ablation and audit live elsewhere and import
the interface alone.
"""
