"""Reports on generated images and on images from outside: the findings of an audit, for people and
for machines.

``facts`` are the JSON, ``illustrations`` belong to the page alone, ``read`` reads both,
``sentences`` and ``plots`` render them, ``documents`` and ``write`` write them. Enter here: reports
on one audit, or an index of audits.
"""
