"""What tests share: small registries, ensembles, hostile files, and ways to run commands."""
