"""Filings for authorities: the EU AI Act's public summary and California's AB 2013, in versions.

Enter here: forms that a law prescribes, the provider's answers to them, and their versions.
"""
