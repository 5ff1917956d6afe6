"""Commands about the origin of an image: rank, audit, ablate, evaluate and verify."""
