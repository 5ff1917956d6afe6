"""Layer 1: which works could be sources? Scores that never see the codes, and the shortlist.

What may enter: the loading of works and units (:mod:`~.encoded_works`), the shortlist of units to
test (:mod:`~.shortlist`), the grades of rankers by the ensemble (:mod:`~.grading`), the works that
stand for given images (:mod:`~.given_images`) and the choice that the log records
(:mod:`~.recorded_choice`). A method that scores works goes to :mod:`~.rankers`.
"""
