"""Shared by tests: small registries, ensembles, hostile files, and ways to run commands."""
