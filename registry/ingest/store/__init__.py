"""Batches of works into the registry, by columns: one transaction and one event each.

    works           new, known and repeated works of a batch: what files and lists share
    matching        which work each row of a batch is
    names           rightsholders and licences to ids
    rights          newer declarations
    contradictions  further declarations of a work, and conflicts
    co_owners       several rightsholders of a work
    files           inspected files: new, known, moved, missing
    file_batches    inspected files and their declarations as columns
    captions        captions, and which of several count
    file_captions   the caption of each file: from a template, a column, a text, or inside it
    embedded        embedded metadata, and its contradictions to declarations
    supersede       files of works that were listed without one
    data_set        the data set of a source
    rows            Arrow columns into a table
    unread_licences findings about licences that were not understood

What may enter: rules for the rows of a registration; nothing that reads a source.
"""
