"""What all pages and tables share: HTML, SVG, pictures, wording, columns. Enter here: what knows no
document and no room of reports.
"""
