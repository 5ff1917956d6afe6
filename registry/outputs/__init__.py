"""Samples, audits and evaluations: queries over their rows.

Code that makes or reports them does not enter here.
"""
