"""One module per claim: ``python -m benchmarks.<name>`` measures it and writes
``benchmarks/results/<name>.json``.
"""
