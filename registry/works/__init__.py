"""Works: their identity, looking them up, listing them, and details of one. Read only."""
