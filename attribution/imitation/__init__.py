"""How well images that were made to imitate artists are told to be theirs (MSI, arXiv 2307.04028).

Three questions, each with a room's module: is the artist identified among others, by texts or by
works (*identification*); are the images more like the artist's works than others' images are
(*matching*); and what is left of both without training on the artist (*ablation*). Only the last is
about causes: likeness shows that an image resembles works, not that a model was trained on them.

What may enter: encoders of whole pictures, and statistics over their features.
"""
