"""Inspected files and their declarations as the columns of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from registry.captions.sources import Caption
from registry.ids import canonical_json
from registry.image_files.inspection import KnownWork, Work
from registry.ingest.owners.declarations import Declaration
from registry.ingest.store.matching import Numbers
from registry.ingest.store.rights import COLUMNS
from registry.ingest.store.works import Batch
from registry.works.identity import identity_of

_OF_FILE: Mapping[str, pa.DataType] = {
    **{"path": pa.string(), "sha256": pa.string(), "byte_size": pa.int64(), "media_type": pa.string()},
    **{"width": pa.int32(), "height": pa.int32(), "pixel_mode": pa.string()},
}
_STATED = ("rightsholder", "licence", "title", "creator", "source_url", "recorded_from")


def file_rows(files: Sequence[Work | KnownWork], declarations: Sequence[Declaration]) -> pa.Table:
    """Files with their declarations, as :class:`Batch` has them."""
    # One declaration often applies to many works, or to all of them.
    kinds = {id(item): item for item in declarations}
    places = {key: place for place, key in enumerate(kinds)}
    statements = list(kinds.values())
    columns = {name: pa.array([getattr(item, name) for item in statements], pa.string()) for name in _STATED}
    columns["attributes"] = pa.array([_json(item) for item in statements], pa.string())
    columns["statement"] = pa.array(range(len(statements)), pa.int64())
    for name in ("rightsholder", "licence"):
        columns[f"{name}_id_empty"] = pa.array([name in item.empty for item in statements], pa.bool_())
    rows = pa.table(columns).take(pa.array([places[id(item)] for item in declarations], pa.int64()))
    for name, kind in _OF_FILE.items():
        rows = rows.append_column(name, pa.array([getattr(file, name, None) for file in files], kind))
    urls = [(getattr(file, "facts", None) or {}).get("url") for file in files]
    rows = rows.append_column("url", pa.array(urls, pa.string()))
    identities = pa.array([identity_of(file.sha256) for file in files], pa.uint64())
    return rows.append_column("identity", identities).append_column(
        "row_number", pa.array(range(len(files)), pa.int64())
    )


def file_batch(
    rows: pa.Table,
    asset_ids: Numbers,
    data_set_id: int,
    files: Sequence[Work | KnownWork],
    declarations: Sequence[Declaration],
) -> Batch:
    """The batch of :func:`file_rows`, given the works of the rows."""
    holders = list({id(item): item.holders for item in declarations}.values())
    return Batch(rows, asset_ids, data_set_id, COLUMNS, lambda number: files[number].path, holders=holders)


def with_captions(rows: pa.Table, captions: Sequence[Caption | None]) -> pa.Table:
    """The rows with the columns ``caption`` and ``caption_source``."""
    columns = {"caption": [each and each.text for each in captions]}
    columns["caption_source"] = [each and str(each.source) for each in captions]
    for name, values in columns.items():
        rows = rows.append_column(name, pa.array(values, pa.string()))
    return rows


def known_works_batch(
    files: Sequence[KnownWork],
    declarations: Sequence[Declaration],
    asset_ids: Sequence[int],
    captions: Sequence[Caption | None],
) -> Batch:
    """What is declared about works of the registry at the paths of these files."""
    rows = with_captions(file_rows(files, declarations), captions)
    return file_batch(rows, np.array(asset_ids, np.int64), 0, files, declarations)


def _json(declaration: Declaration) -> str | None:
    return None if declaration.attributes is None else canonical_json(dict(declaration.attributes))
