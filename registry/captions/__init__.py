"""Captions: what a picture shows, in words; text-to-image members train on them.

    sources    where captions come from, in the one order of precedence
    texts      a caption brought into order; the bytes of a file with a caption
    template   a caption made of other columns
    beside     text files beside images

What may enter: finding the caption of a work; nothing that knows the database. A whole column of a
list is brought into order in :mod:`registry.ingest.bulk.captions`; captions on record are in
:mod:`registry.works.captions`.
"""
