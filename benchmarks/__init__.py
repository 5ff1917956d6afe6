"""One module per claim: ``python -m benchmarks.NAME`` writes ``benchmarks/results/NAME.json``."""
