"""The page of a certificate of withdrawal: the works and rightsholders by name, beside the proofs.

Enter here: what makes a certificate readable. The proofs are in :mod:`registry.withdrawals`.
"""
