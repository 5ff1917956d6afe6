"""Training of one member, resumable, on exactly the works of its code."""
