"""Layer 3: what changes without it? Real ablations, and the Jacobian's estimates of them."""
