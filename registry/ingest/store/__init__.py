"""Puts inspected works and their declarations into the registry."""
