"""Commands that write documents for others: reports, statements, exports, signed images."""
