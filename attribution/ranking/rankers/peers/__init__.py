"""Rankers through other libraries, to compare with ours; they need ``creditline[peers]``."""
