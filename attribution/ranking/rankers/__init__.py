"""Layer 1: which works could it be? Methods that score every unit for an image without knowing the
codes.
"""
