"""Claims: a claimant asserts that works are theirs; a decision here accepts or refuses it.

What may enter: opening, matching, deciding and reading claims.
"""
