"""The randomisation test: its power, its false findings, and the choices within it.

What may enter: measurements of p-values (:mod:`attribution.evidence`) on ensembles whose works are
known, under their own codes, under wrong ones, or for a unit that taught nothing. What a finding is
called is argued in :mod:`benchmarks.grades`; adapters on a base are in
:mod:`benchmarks.text_to_image`.
"""
