"""Data sets, ensembles and outputs in the formats of standards: Croissant, CycloneDX, SPDX,
PROV.
"""
