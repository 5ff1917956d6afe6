"""Samples without some units: exact ablation, joint ablation, and first order by the Jacobian.

What may enter: counterfactuals of one sample. Tests of significance belong to
:mod:`attribution.evidence`.
"""
