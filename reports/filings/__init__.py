"""What the registry knows, in the forms that authorities, partners and tools expect: filings,
standards, tables.
"""
