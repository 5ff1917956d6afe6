"""The statement of a rightsholder: their works, the models that saw them, the images that the works
made a difference to, and the outcome of withdrawals and claims.

``document`` reads the facts and writes them; ``page`` and ``words`` render them. Enter here: what
one rightsholder may know about their own works, and nothing about the works of others.
"""
