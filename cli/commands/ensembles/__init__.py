"""Commands that encode, train and generate."""
