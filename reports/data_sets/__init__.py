"""What a reviewer of a corpus gets: whose it is, under which terms, what contradicts, and what was
opted out since training.

Everything is counted in the database, so that ten million works take no more memory than ten.
``facts`` is what is known, ``counting`` and ``models`` read it, ``pages`` renders it, ``giving``
writes it out with its stamp.
"""
