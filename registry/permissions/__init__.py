"""May a work be trained on? The rule, the reviews that it counts, and the history of permissions."""
