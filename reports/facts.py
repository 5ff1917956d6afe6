"""The base of every document's facts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Facts(BaseModel):
    """Facts written as JSON: immutable, and without fields that the format does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NotMeasured(Facts):
    """A figure that is not there."""

    not_measured: str = Field(description="Why.")

    def __init__(self, reason: str | None = None, /, **fields: object) -> None:
        super().__init__(**(fields if reason is None else {"not_measured": reason}))
