"""What members cost: to train, and to run, as networks on pixels and as adapters on a base.

What may enter: seconds and memory of training steps and of predictions, beside a rival or at a
larger size (weights may be random: they cost the same), and what members give for what they cost.
"""
