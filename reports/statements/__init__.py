"""What a rightsholder gets: their works, the models that saw them, the images in which they made a
difference, and what followed from their withdrawals and claims.

``facts`` is what is known, ``reading`` reads it from the registry, ``document`` and ``pages``
render it, ``giving`` writes it out with its stamp.
"""
