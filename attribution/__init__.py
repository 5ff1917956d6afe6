"""The causes of an output: encoded ensembles, samples, ablation of units, tests of influence."""
