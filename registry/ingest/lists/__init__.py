"""Lists of works, from a spreadsheet's CSV to Parquet of ten million rows, read into one canonical
form.

Nothing is turned into Python rows. A list becomes a relation, a ``SELECT`` over Parquet files with
the canonical columns and a ``reason`` that is NULL for every row that may be registered, which
DuckDB reads as fast as the files themselves. CSV, JSON lines and what Croissant describes are first
converted to Parquet, all as text, so that a wrong number refuses its row and not the file.

    source = open_list(Path("works.parquet"), mapping={"rightsholder": "owner"}, staging=folder)
    connection.execute(f"INSERT INTO ... SELECT url, sha256 FROM ({source.relation(0, source.rows)})
    WHERE reason IS NULL")
"""

from registry.ingest.lists.connection import translated_errors
from registry.ingest.lists.opening import open_list
from registry.ingest.lists.preview import Preview, Refusal, preview
from registry.ingest.lists.source import CANONICAL, Constant, ListSource

__all__ = [
    "CANONICAL",
    "Constant",
    "ListSource",
    "Preview",
    "Refusal",
    "open_list",
    "preview",
    "translated_errors",
]
