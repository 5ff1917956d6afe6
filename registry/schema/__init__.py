"""The schema: making it, its views, and the way from one version to the next. No other queries."""
