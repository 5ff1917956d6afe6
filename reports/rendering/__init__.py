"""What all pages share: HTML, SVG, pictures and wording."""
