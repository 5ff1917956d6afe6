"""May we train on a work? One rule, and everything on record that it weighs."""
