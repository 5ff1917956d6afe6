"""The schema as a whole: making it, its views, and the way from one version to the next.

What may enter: statements that define tables and views, and no queries of commands.
"""
