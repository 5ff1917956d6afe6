"""Records a base, and what people say about it.

Adding the same files again finds the base by its id: only details that differ make a new row. So a
base that was moved is added from its new folder and stays the same base.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from registry.bases.facts import BaseFacts
from registry.bases.reading import BaseReading
from registry.bases.records import BaseRecord, base_by_id
from registry.bases.verification import keep_times
from registry.errors import InputError, NotFoundError, UsageError
from registry.event_log.events import Change, changing
from registry.licences import read_licence
from registry.rightsholders.names import licence_ids
from registry.storage.database import Registry
from registry.storage.tables import BaseComponent, BaseDetails, BaseModel
from registry.text import stated_text

ADDED, DESCRIBED = "base model added", "base model described"
"""The kinds of the events."""
LONGEST_NAME = 200


@dataclass(frozen=True)
class Stated:
    """What a command says about a base. None leaves what is recorded; '' takes it back."""

    name: str | None = None
    licence: str | None = None
    source: str | None = None
    trained_on: str | None = None
    """Name of a registered data set."""


@dataclass(frozen=True)
class Added:
    """The result of adding a base."""

    base: BaseRecord
    new: bool
    """Whether the registry did not have it."""
    changed: tuple[str, ...]
    """The details that differ from the former ones; empty for a new base."""


def add_base(
    registry: Registry, reading: BaseReading, stated: Stated, now: datetime, *, name: str, source: str | None
) -> Added:
    """Record a base and its details.

    Args:
        registry: where to record.
        reading: the base as its folder has it.
        stated: the details that were stated.
        now: the time.
        name: for a new base without a stated name.
        source: as far as the folder's place shows.

    Raises:
        InputError: a text is too long or has control characters.
        NotFoundError: no data set has the stated name.
        UsageError: another base has the name.
    """
    facts = reading.facts
    with changing(registry, now) as change:
        new = not change.has("base_model", facts.id)
        former = None if new else base_by_id(change.connection, facts.id)
        check_stated(change.connection, stated)
        stated_text(name, "name of the folder")
        stated_text(str(reading.folder), "path of the folder")
        details = _details(change.connection, reading, stated, former, name=name, source=source)
        changed = tuple(key for key, value in details.items() if former is not None and value != _known(former)[key])
        if new:
            change.insert(*_rows_of(facts, change.now))
            change.seal("base_model", facts.id)
            change.seal("base_component", facts.id)
        if new or changed:
            _insert_details(change, facts.id, details, 0 if former is None else former.details_number + 1)
            change.seal("base_details", facts.id)
            _record(change, facts, details, former, changed)
        found = base_by_id(change.connection, facts.id)
    keep_times(registry.home, facts.id, reading.folder, reading.times)
    return Added(found, new, changed)


def check_stated(connection: duckdb.DuckDBPyConnection, stated: Stated) -> None:
    """Check what a command says before a base of gigabytes is hashed.

    Raises:
        InputError: a text is too long or has control characters.
        NotFoundError: no data set has the stated name.
    """
    for what, text in (("name", stated.name), ("licence", stated.licence), ("source", stated.source)):
        stated_text(text, what)
    if stated.licence is not None:
        read_licence(stated.licence)
    if stated.name is not None and len(stated.name) > LONGEST_NAME:
        raise InputError(f"the name of the base has {len(stated.name):,} characters, at most {LONGEST_NAME} are taken")
    _data_set(connection, stated_text(stated.trained_on, "data set"))


def _details(
    connection: duckdb.DuckDBPyConnection,
    reading: BaseReading,
    stated: Stated,
    former: BaseRecord | None,
    *,
    name: str,
    source: str | None,
) -> dict[str, str | None]:
    """The details that count from now on."""
    chosen = stated_text(stated.name, "name") or (former.name if former else name[:LONGEST_NAME])
    others = connection.execute(
        "SELECT base_id FROM base WHERE name = ? AND base_id <> ?", [chosen, reading.facts.id]
    ).fetchall()
    if others:
        raise UsageError(
            f"the base {others[0][0][:12]} has the name {chosen!r} already, and its files are others; choose a name with --name"
        )
    return {
        "name": chosen,
        "folder": str(reading.folder),
        "licence": _chosen(stated.licence, "licence", former.licence if former else None, reading.card.licence),
        "source": _chosen(stated.source, "source", former.source if former else None, source),
        "trained_on": _data_set(
            connection, _chosen(stated.trained_on, "data set", former.trained_on if former else None, None)
        ),
        "stated_training": reading.card.training_data,
    }


def _chosen(stated: str | None, what: str, former: str | None, shown: str | None) -> str | None:
    """What was stated, else what is recorded, else what the folder shows."""
    if stated is not None:
        return stated_text(stated, what)
    return former if former is not None else shown


def _data_set(connection: duckdb.DuckDBPyConnection, name: str | None) -> str | None:
    if name is not None and not connection.execute("SELECT 1 FROM data_set WHERE name = ?", [name]).fetchall():
        raise NotFoundError(f"no data set {name[:80]!r}; `creditline data-sets` lists them")
    return name


def _known(base: BaseRecord) -> dict[str, str | None]:
    return {
        "name": base.name,
        "folder": str(base.folder),
        "licence": base.licence,
        "source": base.source,
        "trained_on": base.trained_on,
        "stated_training": base.stated_training,
    }


def _rows_of(facts: BaseFacts, now: datetime) -> list[BaseModel | BaseComponent]:
    return [
        BaseModel(
            id=facts.id,
            pipeline=facts.pipeline,
            family=facts.family,
            prediction=facts.prediction,
            schedule=vars(facts.schedule),
            latents=vars(facts.latents),
            tokens=facts.tokens,
            variant=facts.variant,
            created_at=now,
        ),
        *(
            BaseComponent(
                base_id=facts.id,
                number=number,
                name=component.name,
                class_name=component.class_name,
                sha256=component.sha256,
                weights=component.weights,
                files=[vars(file) for file in component.files],
            )
            for number, component in enumerate(facts.components)
        ),
    ]


def _insert_details(change: Change, base_id: str, details: dict[str, str | None], number: int) -> None:
    licence, data_set = details["licence"], details["trained_on"]
    data_sets = change.connection.execute("SELECT id FROM data_set WHERE name = ?", [data_set]).fetchall()
    change.insert(
        BaseDetails(
            base_id=base_id,
            number=number,
            name=str(details["name"]),
            folder=str(details["folder"]),
            licence_id=None if licence is None else licence_ids(change, [licence])[licence],
            source=details["source"],
            data_set_id=int(data_sets[0][0]) if data_sets else None,
            stated_training=details["stated_training"],
            recorded_by=change.actor,
            recorded_at=change.now,
        )
    )


def _record(
    change: Change,
    facts: BaseFacts,
    details: dict[str, str | None],
    former: BaseRecord | None,
    changed: tuple[str, ...],
) -> None:
    if former is None:
        after: dict[str, Any] = {
            **details,
            "components": {component.name: component.sha256 for component in facts.components},
        }
        change.record(ADDED, f"base {facts.id}", after=after)
        return
    known = _known(former)
    change.record(
        DESCRIBED,
        f"base {facts.id}",
        before={key: known[key] for key in changed},
        after={key: details[key] for key in changed},
    )
