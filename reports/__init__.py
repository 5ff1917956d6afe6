"""What can be shown for an output: frozen facts from the registry, then HTML, CSV and JSON."""
