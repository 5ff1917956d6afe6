"""The grades of verdicts: are their thresholds right, and how often does a grade err?

Where a grade says *main source*, is the work gone from the picture without it? And how often is one
named where there is nothing to name? The documentation quotes the answers, and so do reports.

What may enter: measurements of finished homes, or of sets of works with known members, that argue
for or against a grade (:mod:`registry.outputs.grades`) or one of its thresholds. Power and size of
the test itself are in :mod:`benchmarks.evidence`.
"""
