"""Who owns works: the records of rightsholders, their names and identifiers, and the rights in
force.
"""
