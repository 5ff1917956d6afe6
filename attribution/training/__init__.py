"""From the works of an encoding to trained members: training set, loop, member, reference model.

What may enter: code that changes weights. It knows denoisers by their interface alone.
"""
