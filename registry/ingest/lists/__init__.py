"""Lists of works, from a spreadsheet's CSV to Parquet of ten million rows, in one canonical form.

No value becomes a Python object. A list becomes a relation, a ``SELECT`` over Parquet files with
the canonical columns, which DuckDB reads as fast as the files themselves. CSV, JSON lines and the
files that Croissant describes are first converted to Parquet as text, so that a wrong number
refuses its row and not the file.

    source = open_list(Path("works.parquet"), mapping={"rightsholder": "owner"}, staging=folder)
    connection.execute(f"SELECT url, sha256 FROM ({source.select()})")

What may enter: formats of lists, and rules for their columns; nothing that knows a registry.
"""

from registry.ingest.lists.connection import translated_errors
from registry.ingest.lists.opening import open_list
from registry.ingest.lists.source import CANONICAL, Constant, ListSource

__all__ = [
    "CANONICAL",
    "Constant",
    "ListSource",
    "open_list",
    "translated_errors",
]
