"""What the facts of every document are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Facts(BaseModel):
    """Facts that are written as JSON: fixed once read, and without any field that the format does
    not name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class NotMeasured(Facts):
    """A figure that is not there."""

    not_measured: str = Field(description="Why.")

    def __init__(self, reason: str | None = None, /, **fields: object) -> None:
        super().__init__(**(fields if reason is None else {"not_measured": reason}))
