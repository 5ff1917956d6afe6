"""Shared by all pages and tables: HTML, SVG, pictures, wording, columns. Enter here: code that
knows no document and no other room of reports.
"""
