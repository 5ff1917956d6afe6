"""Every claim that the project makes about itself, measured.

A module is one claim: ``python -m benchmarks.register.listings`` writes
``benchmarks/results/register/listings.json``. A folder is a room for claims about one subject, or
one large measurement that runs by its name, as ``python -m benchmarks.kills``. ``python -m
benchmarks`` runs everything that needs no arguments.
"""
