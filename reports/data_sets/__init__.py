"""The report of a data set for a reviewer: rightsholders, licences, contradictions, and works that
were opted out since training.

``counting`` and ``models`` count in the database, ``document`` reads the facts and writes them,
``page`` and ``words`` render them. Enter here: what is about one data set.
"""
