"""The answer to *did these models see this very work?*, as a report gives it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reports.facts import Facts, NotMeasured


class RegisteredFile(Facts):
    """A registered work with the bytes of the image's file."""

    asset_id: int
    members: list[int] = Field(description="Indices of the members in service that saw it.")
    probe: bool = Field(description="Whether the encoding keeps it out of all members by choice.")


class Seen(Facts):
    """Whether the models saw an image from outside itself, not only works like it."""

    answer: Literal["trained_on", "leans_on", "nothing_shown"]
    ground: Literal["record", "test"] = Field(
        description="`record`: the file is a registered work that members saw. `test`: by the probes."
    )
    sentence: str
    explanation: str
    level: float = Field(description="Error up to which the test says that an image was trained on.")
    probes: int = Field(description="Works that the encoding keeps out of all members, compared with the image.")
    p_value: float | NotMeasured = Field(description="From the probes.")
    smallest_p: float = Field(description="The smallest p that this many probes can give.")
    statistic: float | NotMeasured
    randomisation_p: float | NotMeasured = Field(
        description="From the decoys alone: no evidence that the image was seen, since similar works give it too."
    )
    nearest_asset_id: int | None = Field(description="The nearest registered work that was encoded.")
    registered_file: RegisteredFile | None
