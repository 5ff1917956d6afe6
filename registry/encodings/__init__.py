"""Codes for units: which members train on which unit, and what a choice of codes gives."""
