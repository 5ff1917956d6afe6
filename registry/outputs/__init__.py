"""Generated samples, audits and evaluations, for reading."""
