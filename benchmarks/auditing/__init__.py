"""What the parts of an audit cost: ranking, testing, ablation, and the Jacobian over the weights.

What may enter: seconds and memory of one part beside a rival or beside sampling the image, and what
a cheaper way loses. Members and weights may be random: they cost the same.
"""
