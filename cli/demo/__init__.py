"""The demonstration: the main job, end to end, on real works by two houses."""
