"""Claims: a claimant asserts that works are theirs, and a decision is made here."""
