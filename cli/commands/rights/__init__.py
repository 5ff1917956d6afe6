"""Commands about what may be trained on, and taking works out."""
