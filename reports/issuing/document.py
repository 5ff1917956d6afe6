"""A kind of document from the registry to its files: read, stamped, rendered, written, recorded.

    written = STATEMENT.write(registry, "#7", folder, now)
    STATEMENT.facts_now(registry, "#7")             # what `creditline report verify` compares

Each kind is one value: its names, its version, the reader of its facts, and the template of its
page. The page and the JSON have the same facts and the same stamp; tables lie beside them.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, create_model

from registry.basis.check import CheckedHead
from registry.home import scratch_folder
from registry.storage.database import Registry
from reports.issuing.issue import File, record_issue, signed, write_file, write_table
from reports.issuing.stamp import Stamp, stamp_of
from reports.rendering.html import rendered
from reports.signatures.signing import Signing

F = TypeVar("F")


@dataclass(frozen=True)
class Reading(Generic[F]):
    """The facts of one subject."""

    subject: str
    """The stamp's subject, e.g. the id of an ensemble."""
    facts: F
    head: CheckedHead
    """The log's newest event when the facts were read, and the rows below them were checked."""
    stem: str
    """Name of the files, without suffix."""
    tables: Mapping[str, Path] = field(default_factory=dict)
    """By name, files in the scratch folder; each becomes ``<stem>-<its file name>``."""


@dataclass(frozen=True)
class Written(Generic[F]):
    """Files written and recorded in the log."""

    page: Path
    files: tuple[Path, ...]
    """All files, the page first."""
    facts: F


def _dump(facts: Any) -> dict[str, Any]:  # noqa: ANN401 - a pydantic model, unless the kind has its own `plain`
    plain: dict[str, Any] = facts.model_dump(mode="json", by_alias=True)
    return plain


@dataclass(frozen=True)
class Document(Generic[F]):
    """A kind of document."""

    kind: str
    """In stamps and in the log, e.g. ``data-set report``."""
    name: str
    """In the JSON, as ``creditline``, and of the JSON Schema."""
    version: int
    model: type[BaseModel]
    """The facts as JSON; the published schema is made from this model."""
    template: str
    read: Callable[..., Reading[F]]
    """(registry, subject, scratch folder for tables, options of the kind) -> facts.

    Raises NotFoundError if the registry does not have the subject."""
    page_values: Callable[[F], Mapping[str, object]]
    """Values of the template beside ``facts``, ``files`` and ``stamp``."""
    plain: Callable[[F], dict[str, Any]] = _dump
    """The facts as plain JSON values."""
    outside_stamp: frozenset[str] = frozenset()
    """Fields of the JSON that the stamp's hash does not cover."""
    dated: bool = False
    """Whether the JSON repeats the moment of the stamp as ``rendered_at``."""

    def write(
        self,
        registry: Registry,
        subject: str,
        out: Path,
        now: datetime.datetime,
        **options: Any,
    ) -> Written[F]:
        """Read the facts of ``subject`` and write all files into the folder ``out``.

        From a home that can only be read, the files are not recorded in the log, and say so.

        Raises:
            NotFoundError: the registry does not have the subject.
            IntegrityError: a row that the document rests on is not as sealed; nothing is written.
            InputError: the folder cannot be written.
        """
        with scratch_folder(out, ".tables-") as scratch:
            reading = self.read(registry, subject, scratch, **options)
            signing = Signing.of(registry)
            stamp = self.stamp(reading, now, signing, recorded=registry.writable)
            files, names = signed(signing, self.files(reading, stamp)), table_names(reading)
            tables = [(path, out / names[table], signing.proofs_of(path)) for table, path in reading.tables.items()]
            issued = [write_file(out, file) for file in files]
            issued += [write_table(path, place, stamp, proofs) for path, place, proofs in tables]
        if registry.writable:
            record_issue(registry, issued, now)
        return Written(out / issued[0].name, tuple(out / each.name for each in issued), reading.facts)

    def stamp(self, reading: Reading[F], now: datetime.datetime, signing: Signing, *, recorded: bool = True) -> Stamp:
        """The stamp of a reading; see :func:`reports.issuing.stamp.stamp_of`."""
        facts = self.stamped_facts(reading.facts)
        return stamp_of(self.kind, reading.subject, facts, now, reading.head, signing, recorded=recorded)

    def stamped_facts(self, facts: F) -> dict[str, Any]:
        """The values that the stamp's hash covers."""
        return {name: value for name, value in self.plain(facts).items() if name not in self.outside_stamp}

    def files(self, reading: Reading[F], stamp: Stamp) -> tuple[File, File]:
        """The page and the JSON."""
        names = {"html": f"{reading.stem}.html", "json": f"{reading.stem}.json", **table_names(reading)}
        page = self.page(reading.facts, names, stamp)
        return (
            File(names["html"], page.encode("utf-8", "replace"), stamp),
            File(names["json"], self.json(reading.facts, stamp), stamp),
        )

    def page(self, facts: F, files: Mapping[str, str], stamp: Stamp) -> str:
        """The page. ``files``: names of all files, by ``html``, ``json`` and table."""
        return rendered(self.template, facts=facts, files=files, stamp=stamp, **self.page_values(facts))

    def json(self, facts: F, stamp: Stamp) -> bytes:
        """The JSON as UTF-8, never with NaN."""
        text = json.dumps(self.values(facts, stamp), indent=2, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode("utf-8", "replace")

    def values(self, facts: F, stamp: Stamp) -> dict[str, Any]:
        """The contents of the JSON: name, version and stamp, then the facts."""
        head = {
            "creditline": self.name,
            "version": self.version,
            **({"rendered_at": _moment(stamp)} if self.dated else {}),
            "stamp": stamp.model_dump(mode="json"),
        }
        # Facts from the log may have any field, but none may replace the stamp.
        return head | self.plain(facts) | head

    def facts_now(self, registry: Registry, subject: str) -> dict[str, Any]:
        """The facts as a stamp of ``subject`` would cover them now.

        Raises:
            NotFoundError: the registry does not have the subject.
        """
        with scratch_folder() as scratch:
            return self.stamped_facts(self.read(registry, subject, scratch).facts)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the JSON."""
        head: dict[str, Any] = {
            "creditline": (Literal[self.name], ...),
            "version": (Literal[self.version], ...),
            **({"rendered_at": (datetime.datetime, ...)} if self.dated else {}),
            "stamp": (Stamp, ...),
        }
        name = f"{self.model.__name__.removesuffix('Facts')}Document"
        made = create_model(name, __base__=self.model, __doc__=self.model.__doc__, **head)
        return made.model_json_schema(by_alias=True)


def table_names(reading: Reading[Any]) -> dict[str, str]:
    """The file name of each table."""
    return {table: f"{reading.stem}-{path.name}" for table, path in reading.tables.items()}


def _moment(stamp: Stamp) -> object:
    return stamp.model_dump(mode="json")["made_at"]
