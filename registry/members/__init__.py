"""What trained members saw: registration, manifests, Merkle proofs and exposure."""
