"""The caption of each file of a batch: from a template, a column, a text beside it, or inside it.

:mod:`registry.captions.sources` has the order of precedence. What a known file says inside was read
when it was registered, so it is taken from the registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from registry.captions.sources import Caption, Source, chosen, embedded_captions, embedded_columns
from registry.captions.template import Template
from registry.captions.texts import in_order
from registry.image_files.inspection import KnownWork, Work
from registry.ingest.findings import Finding, Kind
from registry.ingest.owners.declarations import Declaration
from registry.ingest.store.matching import Numbers
from registry.storage.selection import selected_works

FIELDS = ("rightsholder", "licence", "title", "creator", "source_url", "caption")
"""Fields that a template may use whatever the source; ``caption`` is the caption without the
template."""


@dataclass(frozen=True)
class CaptionRule:
    """How the works of a registration get their captions."""

    template: Template | None = None
    """None: captions are taken as they are."""

    def check(self, columns: Iterable[str], *, open_columns: bool = False) -> None:
        """Check the template against the columns of the source.

        ``open_columns``: each work may have columns of its own, as in the shards of img2dataset.

        Raises:
            UsageError: a field is no column.
        """
        if self.template is not None and not open_columns:
            self.template.check([*FIELDS, *columns])

    def caption(
        self, declaration: Declaration, inside: Mapping[Source, str | None]
    ) -> tuple[Caption | None, str | None]:
        """The caption of a work, and a note where the template did not apply or the text was cut.

        ``inside``: the captions in its file.
        """
        found = chosen({**inside, **declaration.captions})
        if self.template is None:
            return found, None
        values = {name.lower(): text for name, text in (declaration.attributes or {}).items()}
        values |= {name: text for name in FIELDS[:-1] if (text := getattr(declaration, name))}
        values |= {"caption": found.text} if found else {}
        filled = self.template.fill(values.get)
        if filled is None:
            lacks = ", ".join(repr(name) for name in self.template.fields if not values.get(name))
            instead = f"its caption is that of the {found.source}" if found else "it has no caption"
            return found, f"lacks {lacks} of the template {self.template.text!r}: {instead}"
        made = in_order(filled)
        return (Caption(made.text, Source.TEMPLATE) if made.text else found), made.note


def captions_of(
    connection: duckdb.DuckDBPyConnection,
    rule: CaptionRule,
    files: Sequence[Work | KnownWork],
    declarations: Sequence[Declaration],
    asset_ids: Sequence[int] | Numbers,
) -> tuple[list[Caption | None], list[Finding]]:
    """The caption of each file, whose works have these ids."""
    asked = [int(number) for number, file in zip(asset_ids, files, strict=True) if isinstance(file, KnownWork)]
    known = _stored(connection, asked) if asked else {}
    captions: list[Caption | None] = []
    findings: list[Finding] = []
    for number, file, declaration in zip(asset_ids, files, declarations, strict=True):
        inside = embedded_captions(file.embedded) if isinstance(file, Work) else known.get(int(number), {})
        caption, note = rule.caption(declaration, inside)
        captions.append(caption)
        if note:
            findings.append(Finding(file.path, Kind.CAPTION, note))
    return captions, findings


def _stored(connection: duckdb.DuckDBPyConnection, asset_ids: Sequence[int]) -> dict[int, dict[Source, str | None]]:
    columns = embedded_columns()
    with selected_works(connection, asset_ids):
        rows = connection.execute(
            f"SELECT asset_id, {', '.join(columns.values())} FROM embedded_metadata "  # noqa: S608 - constants
            "SEMI JOIN selected_works ON asset_id = selected_id ORDER BY id"
        ).fetchall()
    return {
        int(asset_id): {
            source: in_order(text).text for source, text in zip(columns, texts, strict=True) if text is not None
        }
        for asset_id, *texts in rows
    }
