"""From pinned noise to an image, and the same image again."""
