"""Works that look alike: perceptual hashes, near duplicates in groups, and search by picture.

What may enter: comparisons of pictures, and no attribution: looking alike is not evidence of use.
"""
