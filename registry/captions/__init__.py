"""Captions: what a picture shows, in words; text-to-image members train on them.

    sources    where captions come from, in the one order of precedence
    texts      a caption brought into order; the bytes of a file with a caption
    columns    the same for a whole column of a list
    template   a caption made of other columns
    beside     text files beside images
    current    the captions of works on record, by columns

What may enter: finding the caption of a work, and reading captions in bulk; nothing that stores.
"""
