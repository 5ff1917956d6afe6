"""Works as people look for them: by name or number, in listings, one by one."""
