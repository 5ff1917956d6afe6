"""Where the log's seals and proofs are found: both follow from the events and the sealed rows."""

from __future__ import annotations

from sqlmodel import Field, SQLModel

from registry.storage.tables.base import BULK, big, key


class SealPart(SQLModel, table=True):
    """A few sealed rows and their hash: see :mod:`registry.event_log.parts`."""

    __tablename__ = "seal_part"
    __table_args__ = BULK

    sequence: int = key()
    """The event with the seal, which has a hash over all its parts."""
    table_name: str
    key: str | None = Field(default=None)
    """Of a table whose rows belong to a key, such as ``candidate``: the key."""
    first: int | None = big(nullable=True)
    """The part's first id, or the first number within its key."""
    last: int | None = big(nullable=True)
    lowest: int | None = big(nullable=True)
    """The smallest id of the works, rightsholders, … that the rows are about."""
    highest: int | None = big(nullable=True)
    row_count: int = big()
    sha256: str
    columns: str
    """JSON: the beginning of each column's hash, which tells the altered column."""


class EventNode(SQLModel, table=True):
    """A node of the tree of hashes over the log: see :mod:`registry.event_log.event_tree`."""

    __tablename__ = "event_node"
    __table_args__ = BULK

    level: int = key()
    """0: the hash of the event ``place + 1``."""
    place: int = key()
    sha256: str
