"""Commands about the registry as a whole: create, summarise, check, migrate, and its log."""
