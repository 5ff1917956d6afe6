"""What caused an output: trains encoded ensembles, samples from them, removes units by ablation,
and tests for influence.
"""
