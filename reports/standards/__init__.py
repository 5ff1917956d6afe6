"""Data sets, ensembles and outputs in the formats of standards: Croissant, CycloneDX, SPDX, PROV.

Enter here: the mapping from the facts of ``reports.content`` to one standard's document.
"""
