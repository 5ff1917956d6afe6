"""The schema as a whole: how it is made, its views, and the way from one version to the next."""
