"""Which works look alike: a perceptual hash, and the search for hashes that differ in few bits."""
