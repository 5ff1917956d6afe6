"""Layer 2: is the effect real? Randomisation tests from the codes, and the size of effects.

What may enter: tests of a unit or of a group of units whose null distribution comes from codes that
no unit has, and their inputs. Everything a test uses beside the tested code (which units, their
weights, their neighbours) must not depend on that code; each module says why it does not.
"""
