"""The JSON Schemas of all versioned documents, as kept in ``docs/schemas/``.

The models of the documents and the columns of the tables make the schemas; a test holds the kept
files to them. Within a version fields may be added, but none is removed or changes its meaning.
The schemas describe exactly what this release writes: a program that reads documents of a later
release must ignore unknown fields.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from reports.checking.document_types import DOCUMENTS
from reports.facts import Facts
from reports.filings.form import FilingDocument
from reports.issuing.stamp import Stamp
from reports.rendering.columns import VERSION, Table
from reports.tables.write import TABLES

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SUFFIX = ".schema.json"
_SHA256 = "^[0-9a-f]{64}$"


class StampDocument(Facts):
    """The file beside a document whose format has no place for its stamp."""

    creditline: Literal["stamp"]
    version: Literal[1]
    file_sha256: str = Field(pattern=_SHA256, description="Of the document's bytes.")
    stamp: Stamp


class SupersededPart(Facts):
    """A document that took the place of another."""

    name: str
    event: int = Field(description="Of the log, that names it.")


class VerifiedDocument(Facts):
    """What ``creditline report verify --json`` prints."""

    creditline: Literal["verified-document"]
    version: Literal[1]
    file: str
    sha256: str = Field(pattern=_SHA256)
    state: Literal["unaltered", "altered", "foreign", "unknown"]
    meaning: str = Field(description="The state in a sentence.")
    kind: str | None = Field(description="Of document; null: neither log nor stamp says.")
    subject: str | None
    event: int | None = Field(description="The event of the log that names the file; null: none does.")
    events_since: dict[str, int] | None = Field(description="Events since it was made, by kind; null: not known.")
    superseded_by: SupersededPart | None = Field(
        description="The newest document of the same kind and subject, issued later, that says something else."
    )
    facts: Literal["same", "changed", "not compared"] = Field(
        description="Whether the registry would say the same of its subject now."
    )
    reason: str
    stamp_fits: bool = Field(description="Whether the stamp says what the log says.")
    signature: Literal["known key", "unknown key", "not signed", "bad signature", "not checked"] = Field(
        description="Whether a key of this registry signed it."
    )
    key_id: str | None = Field(description="Of the key that is named as the signer.")
    stamp: Stamp | None


def published() -> dict[str, bytes]:
    """Every schema, by file name."""
    models: dict[str, type[BaseModel]] = {
        "ai-act-summary": _filing("ai-act-summary"),
        "ab-2013-statement": _filing("ab-2013-statement"),
        "stamp": StampDocument,
        "verified-document": VerifiedDocument,
    }
    schemas = {name: model.model_json_schema(by_alias=True) for name, model in models.items()}
    schemas |= {document.name: document.schema() for document in DOCUMENTS}
    schemas |= {table.document: _table_schema(table) for table in TABLES.values()}
    return {name + SUFFIX: _written(schema) for name, schema in sorted(schemas.items())}


def _filing(name: str) -> type[BaseModel]:
    made: type[BaseModel] = create_model(
        "FilingDocument",
        __base__=FilingDocument,
        __doc__=FilingDocument.__doc__,
        creditline=(Literal[name], ...),  # type: ignore[arg-type]  # a literal that is made here
    )
    return made


def _table_schema(table: Table) -> dict[str, Any]:
    stamp = Stamp.model_json_schema()
    return {
        "title": f"{table.document}",
        "description": f"A table; a row is: {table.row[0].lower()}{table.row[1:]}. A line of a .jsonl file is a row.",
        "type": "object",
        "properties": {
            "creditline": {"const": table.document},
            "version": {"const": VERSION},
            "stamp": {"$ref": "#/$defs/Stamp"},
            "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
        },
        "required": ["creditline", "version", "stamp", "rows"],
        "additionalProperties": False,
        "$defs": {"Row": table.row_schema(), "Stamp": stamp},
    }


def _written(schema: dict[str, Any]) -> bytes:
    return (json.dumps({"$schema": DIALECT, **_on_one_line(schema)}, indent=2, ensure_ascii=False) + "\n").encode()


def _on_one_line(schema: Any) -> Any:  # noqa: ANN401 - plain JSON
    """The schema with each text on one line, however its docstring is wrapped."""
    if isinstance(schema, dict):
        return {name: _on_one_line(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_on_one_line(value) for value in schema]
    return " ".join(schema.split()) if isinstance(schema, str) else schema
