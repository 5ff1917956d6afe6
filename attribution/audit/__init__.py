"""An audit: the three layers on one image, and its record.

What may enter: code that joins the layers. The layers themselves have rooms of their own.
"""
