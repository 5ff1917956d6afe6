"""The page of an evaluation, and its sentences in other reports."""
