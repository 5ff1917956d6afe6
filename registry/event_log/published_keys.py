"""The public keys of a registry: in its log, and beside the log's end in ``log-head.json``."""

from __future__ import annotations

import json

import duckdb

KEY_CREATED = "signing key created"
"""The event of a new key; ``after`` has its id and its public half."""


def published_keys(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """By id, the public key as base64 of its 32 bytes, oldest first."""
    found: dict[str, str] = {}
    for (after,) in connection.execute(
        "SELECT after FROM event WHERE kind = ? ORDER BY sequence", [KEY_CREATED]
    ).fetchall():
        try:
            fields = json.loads(after)
            found[str(fields["key_id"])] = str(fields["public_key"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # an edited event publishes nothing; `log verify` names it
    return found
