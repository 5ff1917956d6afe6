"""Jinja2 templates of the pages; a package, so that an installed copy finds them."""
