"""Batches of works into the registry: one transaction and one event each.

    works      inspected files: new, known, moved, missing
    rights     newer declarations, of files and lists
    data_set   the data set of a source, of files and lists
    embedded   embedded metadata, and its contradictions to declarations
    supersede  files of works that were listed without one
    rows       Arrow columns into a table

What may enter: rules for the rows of a registration; nothing that reads a source.
"""
