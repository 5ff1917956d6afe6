"""Layer 1: which works could it be? Scores that never see the codes, and the shortlist they
give.
"""
