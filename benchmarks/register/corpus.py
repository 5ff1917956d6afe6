"""A registry of ten million works by metadata, generated inside DuckDB, for timing listings.

The rows are consistent, and laid out as in the worst real case: the works of a rightsholder, of a
licence and of a permission are scattered over the whole table, so row order helps no filter.
"""

from __future__ import annotations

from datetime import UTC, datetime

from registry.event_log.events import changing
from registry.home import Home
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.works.identity import IDENTITY

RIGHTSHOLDERS = 50_000
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)

LICENCES = (
    ("CC-BY-4.0", True, "permitted"),
    ("CC-BY-SA-4.0", True, "permitted"),
    ("CC0-1.0", True, "permitted"),
    ("CC-BY-NC-4.0", True, "constrained"),
    ("CC-BY-ND-4.0", True, "prohibited"),
    ("Apache-2.0", True, "permitted"),
    ("All rights reserved", False, "unclear"),
    ("House contract 12/2024", False, "unclear"),
)
DATA_SETS = ("harvest-2023", "harvest-2024", "museum", "agency")
VERIFIED_EVERY = 97
"""One work in this many has a verified row."""


def build(home: Home, works: int) -> Registry:
    """Make the registry with this many works."""
    registry = create_registry(home, now=NOW)
    with changing(registry, NOW) as change:
        connection = change.connection
        connection.executemany(
            "INSERT INTO data_set (id, name, kind, root, created_at) VALUES (?, ?, 'list', ?, ?)",
            [(number, name, f"/srv/{name}.parquet", NOW) for number, name in enumerate(DATA_SETS)],
        )
        connection.executemany(
            "INSERT INTO licence (id, reference, spdx, recognised, training, duties, note, created_at) "
            "VALUES (?, ?, ?, ?, ?, '[]', '', ?)",
            [
                (number, reference, reference if recognised else None, recognised, training, NOW)
                for number, (reference, recognised, training) in enumerate(LICENCES)
            ],
        )
        connection.execute(
            "INSERT INTO rightsholder (id, name, created_at) "
            "SELECT range, 'Photographer ' || md5(range::VARCHAR)[:8] || ' ' || range, ? FROM range(?)",
            [NOW, RIGHTSHOLDERS],
        )
        training = [permission for _, _, permission in LICENCES]
        connection.execute(
            _ASSETS,
            [VERIFIED_EVERY, works, RIGHTSHOLDERS, len(LICENCES), len(DATA_SETS), works, NOW, works, training],
        )
        connection.execute(_DECLARED, [RIGHTSHOLDERS, len(LICENCES), NOW, works])
        connection.execute(_VERIFIED, [works, VERIFIED_EVERY, NOW])
        change.record("works registered", "the corpus", after={"registered": works})
    return registry


_ASSETS = f"""
    INSERT INTO asset (id, data_set_id, path, url, sha256, other_hash, identity, byte_size, media_type, width, height,
        registered_at, declared_id, verified_id, rightsholder_id, licence_id, permission)
    SELECT id, data_set_id, path, url, sha256, other_hash, {IDENTITY}, byte_size, 'image/jpeg', 640 + mix % 2000,
        480 + mix % 1500, registered_at, id, verified_id, rightsholder_id, licence_id, ($9::VARCHAR[])[1 + licence_id]
    FROM (
        SELECT range AS id, hash(range) AS mix, NULL::VARCHAR AS path, NULL::VARCHAR AS other_hash,
            CASE WHEN range % $1 = 0 THEN $2 + range // $1 END AS verified_id,
            (hash(range + 1) % $3)::BIGINT AS rightsholder_id, (hash(range + 2) % $4)::BIGINT AS licence_id,
            (range * $5 // $6)::BIGINT AS data_set_id, sha256(range::VARCHAR) AS sha256,
            'https://images.example/' || (hash(range) % 1000) || '/' || md5(range::VARCHAR) || '.jpg' AS url,
            (20000 + hash(range + 3) % 4000000)::BIGINT AS byte_size, $7 AS registered_at
        FROM range($8)
    )
"""  # noqa: S608 - a constant

_DECLARED = """
    INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, licence_id, title, creator, source_url, attributes,
        recorded_from, recorded_by, recorded_at)
    SELECT range, range, 'declared', (hash(range + 1) % $1)::BIGINT, (hash(range + 2) % $2)::BIGINT,
        ['Harbour', 'Portrait', 'Forest', 'Street', 'Still life', 'Kitchen', 'Mountain'][(1 + hash(range + 4) % 7)::BIGINT]
            || ' at ' || ['dawn', 'dusk', 'noon', 'night'][(1 + hash(range + 5) % 4)::BIGINT] || ', no. ' || range,
        NULL, 'https://pages.example/' || range, '{"style":"' || (hash(range + 6) % 9) || '"}', 'list.parquet', 'bench', $3
    FROM range($4)
"""

_VERIFIED = """
    INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, licence_id, recorded_from, recorded_by, recorded_at)
    SELECT verified_id, id, 'verified', rightsholder_id, licence_id, 'contract', 'bench', $3
    FROM asset WHERE id < $1 AND id % $2 = 0 ORDER BY id
"""
