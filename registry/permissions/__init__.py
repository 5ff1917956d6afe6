"""May a work be trained on? The rule, the reviews that count, and the history of permissions."""
