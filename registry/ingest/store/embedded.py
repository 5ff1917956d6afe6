"""Storing embedded metadata, and finding contradictions to declarations: people decide."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import duckdb
import pyarrow as pa

from registry.errors import InputError
from registry.event_log.events import Change
from registry.ids import canonical_json
from registry.ingest.owners.declarations import Declaration
from registry.ingest.store.rows import insert_rows
from registry.licences import LicencePermission, read_licence
from registry.licences.terms import STRICTNESS
from registry.metadata import EmbeddedMetadata
from registry.metadata.rights_words import rights_words
from registry.rightsholders.no_names import names_nobody
from registry.signals import TRAINING, Category, Protocol, RightsSignal, Use

_TEXTS = (
    *("creator", "copyright_notice", "credit_line", "rights_url", "usage_terms", "title", "description"),
    "digital_source_type",
)
_SIGNALS = ("protocol", "category", "use", "condition", "raw", "found_in")
_SHOWN = 120
_WHOSE = {"copyright_notice": "copyright notice", "credit_line": "credit line", "creator": "creator"}
"""Fields that name an owner, in words."""
# Words of a copyright notice beside the owner's name.
_BOILERPLATE = re.compile(r"\b(?:copyright|copr|c|all|rights?|reserved|by|photo|image|courtesy|of|the|no|\d{2,4})\b")


def store_embedded(change: Change, found: Sequence[tuple[int, EmbeddedMetadata]]) -> int:
    """Append embedded metadata (by asset id) and its signals; returns the number of signals."""
    if not found:
        return 0
    columns: dict[str, pa.Array] = {
        "asset_id": pa.array([asset_id for asset_id, _ in found], pa.int64()),
        **{name: pa.array([getattr(each, name) for _, each in found], pa.string()) for name in _TEXTS},
        "fields": pa.array(
            [canonical_json({place: dict(values) for place, values in each.fields.items()}) for _, each in found]
        ),
        "xmp": pa.array([each.xmp for _, each in found], pa.binary()),
        "c2pa": pa.array([each.c2pa and canonical_json(_credentials(each)) for _, each in found], pa.string()),
        "problems": pa.array([canonical_json(list(each.problems)) for _, each in found]),
    }
    insert_rows(change, "embedded_metadata", columns, {"read_at": change.now})
    return _store_signals(change, [(asset_id, signal) for asset_id, each in found for signal in each.signals])


def _store_signals(change: Change, signals: Sequence[tuple[int, RightsSignal]]) -> int:
    if not signals:
        return 0
    values = [
        (str(each.protocol), str(each.category), str(each.use), each.constraint, each.raw, each.found_in)
        for _, each in signals
    ]
    columns: dict[str, pa.Array] = {
        name: pa.array(column, pa.string()) for name, column in zip(_SIGNALS, zip(*values, strict=True), strict=True)
    }
    columns["asset_id"] = pa.array([asset_id for asset_id, _ in signals], pa.int64())
    insert_rows(change, "rights_signal", columns, {"seen_at": change.now})
    return len(signals)


def stored_embedded(connection: duckdb.DuckDBPyConnection, asset_ids: pa.Array) -> dict[int, EmbeddedMetadata]:
    """The stored fields and signals of each work that can contradict a declaration."""
    connection.register("asked", pa.table({"asked_id": asset_ids}))
    rows = connection.execute(
        f"SELECT asset_id, fields, {', '.join(_TEXTS)} FROM embedded_metadata JOIN asked ON asset_id = asked_id"  # noqa: S608 - constants
    ).fetchall()
    signals: dict[int, list[RightsSignal]] = {}
    for asset_id, *fields in connection.execute(
        f"SELECT asset_id, {', '.join(_SIGNALS)} FROM rights_signal JOIN asked ON asset_id = asked_id "  # noqa: S608 - constants
        "WHERE policy_id IS NULL ORDER BY id"
    ).fetchall():
        protocol, category, use, *rest = fields
        signals.setdefault(asset_id, []).append(RightsSignal(Protocol(protocol), Category(category), Use(use), *rest))
    connection.unregister("asked")
    return {
        asset_id: EmbeddedMetadata(
            **dict(zip(_TEXTS, texts, strict=True)), fields=json.loads(fields), signals=tuple(signals.get(asset_id, ()))
        )
        for asset_id, fields, *texts in rows
    }


def conflicts(declaration: Declaration, embedded: EmbeddedMetadata) -> Iterator[str]:
    """Contradictions between a declaration and a file, one line each."""
    declared = [holder.name for holder in declaration.holders or ()] or [declaration.rightsholder or ""]
    if declaration.rightsholder:
        yield from _owner_conflicts(declared, [*declared, declaration.creator or ""], embedded)
    if declaration.creator:
        yield from _creator_conflicts(declaration.creator, embedded)
    if declaration.licence:
        yield from _licence_conflicts(declaration.licence, embedded)


def _owner_conflicts(declared: Sequence[str], own: Sequence[str], embedded: EmbeddedMetadata) -> Iterator[str]:
    """Compares the file's effective fields; if they agree, each place that may name an owner."""
    known = [name for name in own if name]
    for place, stated in {"": {name: getattr(embedded, name) for name in _WHOSE}, **_by_place(embedded)}.items():
        named = {name: text for name, text in stated.items() if text and _name(text)}
        if any(_agree(text, name) for text in named.values() for name in known):
            known += named.values()  # an agency's photographer may be named alone in another place
        elif named:
            name, text = next(iter(named.items()))
            says = f"{_WHOSE[name]}{place} says {_quoted(text)}"
            yield f"declared for {_quoted(', '.join(declared))}; the file's {says}"
            return


def _creator_conflicts(declared: str, embedded: EmbeddedMetadata) -> Iterator[str]:
    places = {place: stated["creator"] for place, stated in _by_place(embedded).items() if "creator" in stated}
    for place, text in {"": embedded.creator, **places}.items():
        if text and _name(text) and not _agree(text, declared):
            yield f"declared as made by {_quoted(declared)}; the file's creator{place} is {_quoted(text)}"
            return


def _by_place(embedded: EmbeddedMetadata) -> dict[str, dict[str, str]]:
    """The fields that name an owner, by place (`` in exif``)."""
    found: dict[str, dict[str, str]] = {}
    for name in _WHOSE:
        for (place, _), text in embedded.said_in(name).items():
            found.setdefault(f" in {place}", {}).setdefault(name, text)
    return found


def _licence_conflicts(licence: str, embedded: EmbeddedMetadata) -> Iterator[str]:
    """Signals that forbid what the licence permits, and words that are stricter or name another."""
    try:
        declared = read_licence(licence)
    except InputError:
        return
    said = f"declared under {_quoted(licence)}"
    if declared.training == LicencePermission.PERMITTED:
        forbidding = (each for each in embedded.signals if each.use == Use.PROHIBITED and each.category in TRAINING)
        signal = next((each for each in forbidding if each.protocol is not Protocol.WORDS), None)
        if signal:
            yield (
                f"{said}, which permits training; the file's {signal.protocol} signal prohibits it: {_quoted(signal.raw)}"
            )
    for name, text, terms in rights_words(embedded.fields):
        differs = terms.recognised and (terms.spdx, terms.training) != (declared.spdx, declared.training)
        stricter = STRICTNESS[terms.training] > STRICTNESS[declared.training]
        # Words that are only not understood contradict nothing: they are a finding of their own.
        if differs or (stricter and (terms.recognised or terms.training is not LicencePermission.UNCLEAR)):
            yield f"{said} ({declared.training}); the file's {name}: {_quoted(text)} ({terms.training})"


def _agree(one: str, other: str) -> bool:
    """Whether two texts name the same owner, by spelling: one may contain the other."""
    first, second = _name(one), _name(other)
    if not first or not second or f" {second} " in f" {first} " or f" {first} " in f" {second} ":
        return True
    return set(first.split()) == set(second.split())  # "Example, Ada" and "Ada Example"


def _name(text: str) -> str:
    if names_nobody(text):
        return ""
    words = unicodedata.normalize("NFKC", text).casefold()
    words = re.sub(r"[\W_]+", " ", words)
    return " ".join(_BOILERPLATE.sub(" ", words).split())


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[:_SHOWN] + "…")


def _credentials(embedded: EmbeddedMetadata) -> Mapping[str, Any]:
    assert embedded.c2pa is not None  # noqa: S101 - the caller has looked
    return {**asdict(embedded.c2pa), "validation_codes": list(embedded.c2pa.validation_codes)}
