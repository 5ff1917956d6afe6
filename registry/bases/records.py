"""Registered bases: found by id, first digits of it, or name.

base = named_base(connection, "emoji-base")
base.id, base.folder, base.facts.prediction, base.trained_on
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from registry.bases.facts import BaseFacts, Component, ComponentFile, Latents, Schedule
from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.event_log.findings import RESTORE


@dataclass(frozen=True)
class BaseRecord:
    """A registered base: the facts about its files, and the newest details."""

    id: str
    facts: BaseFacts
    name: str
    folder: Path
    """Where it lies, absolute."""
    licence: str | None
    """The terms of the base itself, as declared."""
    licence_spdx: str | None
    licence_training: str | None
    """What these terms say about training, as for works."""
    source: str | None
    trained_on: str | None
    """The registered data set that it was trained on; None: not known."""
    stated_training: str | None
    """The data sets that its model card states; nobody here has checked it."""
    details_number: int
    """Number of the row of details that counts."""
    recorded_by: str
    recorded_at: datetime
    created_at: datetime

    def component_folder(self, name: str) -> Path:
        """The folder of a component, such as ``unet``."""
        return self.folder / name

    def to_json(self) -> dict[str, Any]:
        """All fields, for ``--json`` and exports."""
        facts = self.facts
        return {
            "base_id": self.id,
            "name": self.name,
            "folder": str(self.folder),
            "pipeline": facts.pipeline,
            "family": facts.family,
            "prediction": facts.prediction,
            "schedule": vars(facts.schedule),
            "latents": vars(facts.latents),
            "image_size": list(facts.image_size),
            "tokens": facts.tokens,
            "variant": facts.variant,
            "bytes": facts.size,
            "components": [
                {
                    "name": each.name,
                    "class": each.class_name,
                    "sha256": each.sha256,
                    "weights": each.weights,
                    "bytes": each.size,
                    "files": [vars(file) for file in each.files],
                }
                for each in facts.components
            ],
            "licence": self.licence,
            "licence_spdx": self.licence_spdx,
            "licence_training": self.licence_training,
            "source": self.source,
            "trained_on": self.trained_on,
            "stated_training": self.stated_training,
            "recorded_by": self.recorded_by,
            "recorded_at": self.recorded_at.isoformat(),
            "created_at": self.created_at.isoformat(),
        }


def named_base(connection: duckdb.DuckDBPyConnection, reference: str | None = None) -> BaseRecord:
    """The base with this id, first digits of an id, or name; None: the only one, or the newest.

    Raises:
        NotFoundError: there is none.
        UsageError: several ids begin so.
        IntegrityError: its rows contradict each other.
    """
    if reference is None:
        found = connection.execute("SELECT id FROM base_model ORDER BY created_at DESC, id LIMIT 1").fetchall()
        if not found:
            raise NotFoundError("no base model is registered; `creditline base add FOLDER` registers one")
        return base_by_id(connection, str(found[0][0]))
    rows = connection.execute(
        "SELECT base_id, name = $reference OR base_id = $reference AS exact FROM base "
        "WHERE name = $reference OR ($reference <> '' AND starts_with(base_id, $reference)) ORDER BY exact DESC, base_id LIMIT 2",
        {"reference": reference},
    ).fetchall()
    if not rows:
        raise NotFoundError(f"no base model {reference[:80]!r}; `creditline base list` lists them")
    if len(rows) > 1 and not rows[0][1]:
        raise UsageError(f"{reference!r} is the start of several ids of base models; give more digits, or the name")
    return base_by_id(connection, str(rows[0][0]))


def base_by_id(connection: duckdb.DuckDBPyConnection, base_id: str) -> BaseRecord:
    """The base with this id. Raises as :func:`named_base` does."""
    found = bases_with(connection, [base_id])
    if not found:
        raise NotFoundError(f"no base model {base_id[:80]!r}; `creditline base list` lists them")
    return found[0]


def all_bases(connection: duckdb.DuckDBPyConnection) -> list[BaseRecord]:
    """All bases, in order of name.

    Raises:
        IntegrityError: the rows of one contradict each other.
    """
    return bases_with(connection, None)


def bases_with(connection: duckdb.DuckDBPyConnection, ids: Sequence[str] | None) -> list[BaseRecord]:
    """The bases with these ids, in order of name; None: all. Raises as :func:`all_bases` does."""
    chosen = {"ids": None if ids is None else list(ids)}
    components: dict[str, list[Component]] = {}
    for base_id, name, class_name, sha256, weights, files in connection.execute(
        "SELECT base_id, name, class_name, sha256, weights, files FROM base_component "
        "WHERE $ids IS NULL OR list_contains($ids, base_id) ORDER BY base_id, number",
        chosen,
    ).fetchall():
        component = Component(name, class_name, _files(base_id, name, files), weights)
        if component.sha256 != sha256:
            raise IntegrityError(f"base model {base_id}: the files of {name} are not those of its hash; {RESTORE}")
        components.setdefault(base_id, []).append(component)
    rows = connection.execute(
        "SELECT base.base_id, pipeline, base.family, base.prediction, base.schedule, base.latents, base.tokens, base.variant, "
        "name, folder, licence, licence_spdx, licence_training, source, trained_on, stated_training, "
        "(SELECT max(number) FROM base_details WHERE base_details.base_id = base.base_id), recorded_by, recorded_at, "
        "base.created_at FROM base JOIN base_model ON base_model.id = base.base_id "
        "WHERE $ids IS NULL OR list_contains($ids, base.base_id) ORDER BY name, base.base_id",
        chosen,
    ).fetchall()
    return [_record(row, tuple(components.get(row[0], ()))) for row in rows]


def _record(row: tuple[Any, ...], components: tuple[Component, ...]) -> BaseRecord:
    base_id, pipeline, family, prediction, schedule, latents, tokens, variant, name, folder, *details = row
    if name is None:
        raise IntegrityError(f"base model {base_id}: its details are missing; {RESTORE}")
    try:
        facts = BaseFacts(
            pipeline,
            family,
            prediction,
            Schedule(**json.loads(schedule)),
            Latents(**json.loads(latents)),
            tokens,
            variant,
            components,
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise IntegrityError(f"base model {base_id}: its row cannot be read; {RESTORE}") from error
    if facts.id != base_id:
        raise IntegrityError(f"base model {base_id}: its components are those of another base; {RESTORE}")
    return BaseRecord(base_id, facts, name, Path(folder), *details)


def _files(base_id: str, name: str, text: str) -> tuple[ComponentFile, ...]:
    try:
        return tuple(ComponentFile(**file) for file in json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise IntegrityError(f"base model {base_id}: the files of {name} cannot be read; {RESTORE}") from error
