"""Layer 2: is the effect real? Randomisation tests from the codes, and the size of effects."""
