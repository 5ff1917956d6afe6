"""What a choice of n and h gives before anything is trained, and what is left of it after
withdrawals.
"""
