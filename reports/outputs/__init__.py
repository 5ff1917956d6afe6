"""Reports on generated images and on images from outside: what an audit found, for people and for
machines.

``facts`` are the JSON, ``illustrations`` what the page alone shows, ``read`` reads both,
``sentences`` and ``plots`` say and draw them, ``documents`` and ``write`` write them. Enter here:
what is about one audit or an index of audits.
"""
