"""How far apart two images are, and the statistics that results are stated with."""
