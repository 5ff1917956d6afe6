"""The statement of a rightsholder: their works, the models that saw them, the images in which they
made a difference, and what followed from their withdrawals and claims.

``document`` reads the facts and writes them; ``page`` and ``words`` render them. Enter here: what
one rightsholder may know about their own works, and nothing about the works of others.
"""
