"""How firm a verdict by similarity is: the smallest change of an image that turns it, beside benign
changes. Enter here: attacks on similarities, benign changes, and the record of what was found.
"""
