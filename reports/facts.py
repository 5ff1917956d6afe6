"""The base of every document's facts."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from registry.outputs.base_claim import BaseClaim, base_claim, called


class Facts(BaseModel):
    """Facts written as JSON: immutable, and without fields that the format does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NotMeasured(Facts):
    """A figure that is not there."""

    not_measured: str = Field(description="Why.")

    def __init__(self, reason: str | None = None, /, **fields: object) -> None:
        super().__init__(**(fields if reason is None else {"not_measured": reason}))


class OverAllImages(Facts):
    """One rightsholder, tested once over all audited images that one encoding's models made."""

    name: str = Field(description="Name of the record whose works were tested.")
    encoding_id: str
    images: int = Field(description="Images in which works of theirs were among the tested ones.")
    units: int = Field(description="Works tested, or 1 where a unit is a rightsholder.")
    p_value: float
    smallest_p: float = Field(description="The smallest p that the test could have given.")
    q_value: float = Field(description="Over all rightsholders that were tested; Benjamini and Yekutieli.")
    rate: float = Field(description="It passes with a q at or under this.")
    passes: bool
    images_used: int = Field(description="Images that the test of all rightsholders used, each by its first audit.")
    images_left_out: int = Field(
        description="Audited images that it could not use: audited by an older version, or while other members served."
    )
    images_since: int = Field(description="Images that were audited after the test.")
    rightsholders: int = Field(description="How many rightsholders were tested.")
    tested_at: datetime.datetime


def optional_field(description: str) -> Any:  # noqa: ANN401 - as pydantic's Field
    """A field that is left out where it is null: of a base model, of probes."""
    return Field(default=None, description=description, exclude_if=lambda value: value is None)


class BasePart(Facts):
    """The base model of models that are adapters."""

    id: str = Field(description="SHA-256 over the hashes of its components.")
    name: str | None = Field(description="As registered; null: it is not on record.")
    training_data: str | None = Field(description="The registered data set that it was trained on; null: unknown.")
    stated: str | None = optional_field("The data sets that its model card states, unchecked.")
    scope: str = Field(description="What findings about the adapters are limited to.")
    unknown: str = Field(description="What is not known of the base.")

    @property
    def called(self) -> str:
        """The base in a sentence."""
        return called(self.id, self.name)

    @classmethod
    def of(cls, claim: BaseClaim | None) -> BasePart | None:
        """The part of a document, if there is a base."""
        if claim is None:
            return None
        return cls(
            id=claim.id,
            name=claim.name,
            training_data=claim.training_data,
            stated=claim.stated,
            scope=claim.scope,
            unknown=claim.unknown,
        )


def base_parts(connection: duckdb.DuckDBPyConnection, ensemble_ids: Iterable[str]) -> tuple[list[BasePart], bool]:
    """The bases of these ensembles, each once, and whether every ensemble has one."""
    of_each = [BasePart.of(base_claim(connection, each)) for each in ensemble_ids]
    found = {part.id: part for part in of_each if part is not None}
    return [found[key] for key in sorted(found)], bool(of_each) and None not in of_each


SYNTHETIC = (
    "What its file says about an AI model that made it, wholly or partly; null: its file says nothing of the kind."
)
"""Description of the field ``synthetic`` of a work."""


class PermissionGround(Facts):
    """One of the grounds that decide a work's permission. No permission is without one."""

    kind: str = Field(description="`withdrawal`, `review`, `signal`, `licence`, `claim`, or `nothing` on record.")
    decision: str = Field(description="The permission that it gives.")
    reason: str = Field(description="The decision, its reason and its evidence, such as the number of a contract.")
    said_at: datetime.datetime | None

    @classmethod
    def of(cls, ground: Mapping[str, Any]) -> PermissionGround:
        """A ground of :func:`registry.permissions.rule.deciding_grounds`."""
        said_at = ground["said_at"]
        return cls(
            kind=ground["kind"],
            decision=ground["verdict"],
            reason=ground["reason"],
            said_at=said_at and said_at.astimezone(datetime.UTC),
        )
