"""Registering a list of works by its metadata: a batch is one transaction and one event.

    path = Path("works.parquet")
    with tempfile.TemporaryDirectory() as staging:
        source = open_list(path, mapping={"rightsholder": "owner"}, staging=Path(staging))
        report = register_list(registry, source, root=path, now=datetime.now(UTC))

A killed run loses the batch at hand; the next run finds the other works by their identity. A work
that a list no longer names stays registered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from registry.captions.template import Template
from registry.errors import UsageError
from registry.event_log.events import changing
from registry.ingest.bulk.batches import read_ahead
from registry.ingest.bulk.store import NAMED, ListStore, Stored
from registry.ingest.findings import Finding, names_alike
from registry.ingest.lists import ListSource
from registry.ingest.lists.columns import Constant, MadeCaption, check_type
from registry.ingest.store.data_set import SourceDataSet
from registry.ingest.store.unread_licences import unread_licences
from registry.rightsholders.alike_names import next_rightsholder_id
from registry.rightsholders.no_names import stated_rightsholder
from registry.storage.database import Registry
from registry.withdrawals.record import cover_later_works
from registry.works.captions import works_by_caption_source

EXAMPLES = 5
"""Rows that are named for each reason of a refusal."""


@dataclass(frozen=True)
class Refusal:
    """Rows that were refused for one reason: how many, and the first of them."""

    reason: str
    rows: int
    first: tuple[int, ...]
    places: tuple[str, ...]
    """Places of the first rows, for people: ``row 7``, or ``line 8`` of a malformed line."""

    @classmethod
    def of(cls, source: ListSource, reason: str, rows: int, first: Sequence[int]) -> Refusal:
        return cls(reason, rows, tuple(first), tuple(source.place(number) for number in first))


@dataclass(frozen=True)
class ListReport:
    """Result of the registration of a list."""

    data_set: str
    root: str
    source: str
    preset: str | None
    rows: int
    registered: int
    unchanged: int
    repeated: int
    """Rows whose work an earlier row of the list names."""
    refused: int
    declarations: int
    declarations_changed: int
    further: int
    """Declarations of those rows that add to the one of the earlier row, or contradict it."""
    refusals: tuple[Refusal, ...] = field(default=())
    """One per reason, most frequent first."""
    conflicts: int = 0
    """Rows with another rightsholder or licence than is on record; the stricter counts."""
    captions: int = 0
    """Captions that were recorded."""
    captions_changed: int = 0
    """Of these, captions in place of another one."""
    captioned: Mapping[str, int] = field(default_factory=dict)
    """Works of the data set by the source of their captions; ``none``: works without a caption."""
    signals: int = 0
    """Rights signals that the list states: in response headers, or for all its works."""
    findings: tuple[Finding, ...] = field(default=())
    """The first conflicts, words for nobody and headers that were not understood, together at most
    :data:`registry.ingest.bulk.store.NAMED`; as many names that are spelled alike, and as many
    notes about captions.
    """

    @property
    def works(self) -> int:
        """Number of works of the list that are in the registry now."""
        return self.rows - self.repeated - self.refused

    @property
    def changed_nothing(self) -> bool:
        """Whether every work was registered before, with the same declaration."""
        return self.works > 0 and not (
            self.registered
            or self.declarations
            or self.declarations_changed
            or self.further
            or self.signals
            or self.captions
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def register_list(
    registry: Registry,
    source: ListSource,
    *,
    root: Path,
    now: datetime,
    data_set: str | None = None,
    rightsholder: str | None = None,
    licence: str | None = None,
    allow_unowned: bool = False,
    captions: Template | None = None,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
    on_rows: Callable[[pa.Table], object] = lambda _rows: None,
) -> ListReport:
    """Register the works of a list.

    Args:
        registry: where the works go.
        source: the list, opened.
        root: the file or folder that it was opened from.
        now: the time to record.
        data_set: a name for the list; its file's own unless given.
        rightsholder: the rightsholder of rows that state none.
        licence: the licence of rows that state none.
        allow_unowned: also register works without a rightsholder.
        captions: a template of captions, instead of the column as it is.
        on_progress: gets (rows done, rows in all).
        on_rows: gets the rows of each batch that may be registered, before they are stored.

    Raises:
        InputError: the list is damaged, or was changed meanwhile; earlier batches are registered.
        UsageError: the data set's name belongs to another source, no rightsholder is stated, or the
            template of captions has a field that is no column.
    """
    source = with_captions(with_defaults(source, rightsholder, licence), captions)
    check_owned(source, allow_unowned)
    name = data_set or source.name
    # The list may name other owners: works withdrawn by the former owners stay withdrawn.
    cover_later_works(registry, now)
    into = SourceDataSet(registry, name, "list", root.absolute(), now)
    with registry.connection() as connection:
        since = next_rightsholder_id(connection)
    store, total = ListStore(source, into.expected_id, name), Stored()
    counts: Counter[str] = Counter()
    examples: dict[str, list[int]] = {}
    read = 0
    with closing(read_ahead(source, into.expected_id, allow_unowned=allow_unowned)) as batches:
        for batch in batches:
            for reason, row_number in batch.refused:
                counts[reason] += 1
                if len(found := examples.setdefault(reason, [])) < EXAMPLES:
                    found.append(row_number)
            if batch.rows.num_rows:
                on_rows(batch.rows)
                with changing(registry, now) as change:
                    into.add(change)
                    stored = store.add(change, batch)
                total.add(stored)
            read += batch.read
            on_progress(read, source.rows)
    source.verify()
    with registry.connection() as connection:
        captioned = works_by_caption_source(connection, into.expected_id)
        alike = tuple(islice(names_alike(connection, since), NAMED))
    refusals = (Refusal.of(source, reason, counts[reason], examples[reason]) for reason in counts)
    return ListReport(
        data_set=name,
        root=str(root.absolute()),
        source=source.name,
        preset=source.preset,
        rows=read,
        registered=total.registered,
        unchanged=total.unchanged,
        repeated=total.repeated,
        refused=counts.total(),
        declarations=total.declarations,
        declarations_changed=total.declarations_changed,
        further=total.further,
        refusals=tuple(sorted(refusals, key=lambda refusal: (-refusal.rows, refusal.reason))),
        conflicts=total.conflicts,
        captions=total.captions,
        captions_changed=total.captions_changed,
        captioned=captioned,
        signals=total.signals,
        findings=(*store.findings, *store.caption_findings(), *unread_licences(registry, into.expected_id), *alike),
    )


def with_defaults(source: ListSource, rightsholder: str | None, licence: str | None) -> ListSource:
    """The list with a rightsholder and licence for rows that state none.

    Raises:
        InputError: the rightsholder names nobody.
    """
    rightsholder = stated_rightsholder(rightsholder) if rightsholder else None
    given = {"rightsholder": rightsholder, "licence": licence}
    defaults = {**source.defaults, **{name: value for name, value in given.items() if value}}
    return replace(source, defaults=MappingProxyType(defaults))


def with_captions(source: ListSource, template: Template | None) -> ListSource:
    """The list with captions made by a template, if one is given.

    A field is a canonical column that the list has, or else any of its columns.

    Raises:
        UsageError: a field is neither.
        InputError: a field's column holds bytes, lists or structures.
    """
    if template is None:
        return source
    columns = {name: kind for part in source.parts for name, kind in part.types.items()}
    known: dict[str, str | Constant] = {name.strip().lower(): name for name in columns}
    known |= source.mapping
    template.check([*known, *source.defaults])
    fields = {name: known[name] for name in template.fields if name in known}
    for column in (column for column in fields.values() if isinstance(column, str)):
        for part in source.parts:
            if column not in part.types:
                raise UsageError(f"not all files of {source.name} have the column {column!r} of the template")
            check_type(source.name, column, part.types[column], "caption")
    defaults = {name: source.defaults[name] for name in template.fields if name in source.defaults}
    return replace(source, made=MadeCaption(template, fields, defaults))


def check_owned(source: ListSource, allow_unowned: bool) -> None:
    """Check that rightsholders are stated, unless works without one are allowed.

    Raises:
        UsageError: none is stated.
    """
    if not allow_unowned and "rightsholder" not in source.mapping and "rightsholder" not in source.defaults:
        raise UsageError(
            f"no column of {source.name} states rightsholders; map one (--map rightsholder=COLUMN), name one for all works "
            "(--rightsholder NAME), or register them without (--allow-unowned)"
        )
