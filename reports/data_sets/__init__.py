"""The report of a data set for a reviewer: rightsholders, licences, contradictions, and opt-outs of
works since training.

``counting`` and ``models`` count in the database, ``document`` reads the facts and writes them,
``page`` and ``words`` render them. Enter here: reports on one data set.
"""
