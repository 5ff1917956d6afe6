"""The demonstration: the whole job on real works of two rightsholders."""
