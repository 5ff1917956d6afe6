"""How good the evidence of one ensemble is, measured on that ensemble."""
