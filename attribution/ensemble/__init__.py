"""Members and ensembles as values: recipe, network, weights, and the model of all works."""
