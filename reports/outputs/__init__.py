"""Reports on generated or found images: facts, document, page, table."""
