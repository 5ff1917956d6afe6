"""Documents about the registry: reports, statements, filings, exports and tables. Each kind has a
room; ``facts``, ``rendering`` and ``issuing`` are shared, ``checking`` knows them all.
"""
