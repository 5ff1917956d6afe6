"""What a report knows of a registered work: whose it is, under which terms, and whether it may be
trained on.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from reports.facts import NotMeasured
from reports.rendering.pictures import Picture


@dataclass(frozen=True)
class LicenceFacts:
    """A licence as it was declared, and what it was understood to be."""

    reference: str
    url: str | None
    recognised: bool
    training: str
    """What its terms say about training: ``permitted``, ``constrained``, ``prohibited`` or
    ``unclear``."""
    duties: tuple[str, ...]
    """What it asks of whoever uses the work, e.g. ``attribution``."""


@dataclass(frozen=True)
class Rights:
    """What one source says about one work; ``basis`` is ``declared`` or ``verified``."""

    basis: str
    rightsholder: str | None
    licence: LicenceFacts | None
    title: str | None
    creator: str | None
    source_url: str | None
    recorded_from: str
    recorded_at: datetime.datetime


@dataclass(frozen=True)
class Statement:
    """One thing said about a work: what counts, on which basis, and what the declaration said where
    that differs.
    """

    text: str
    basis: str
    declared_instead: str | None = None


@dataclass(frozen=True)
class Work:
    """A registered work that a candidate lists. ``distance`` and ``weight`` are None where the
    ranker gave none.
    """

    asset_id: int
    sha256: str
    path: str
    data_set: str
    media_type: str
    width: int
    height: int
    declared: Rights | None
    verified: Rights | None
    distance: float | None
    weight: float | None
    picture: Picture | NotMeasured
    owners: tuple[str, ...]
    """All that count as its rightsholders now, by name."""
    permission: str
    """Whether it may be trained on, as the registry has it now."""
    permissions_then: tuple[str, ...] | NotMeasured
    """The same when the members that served and saw it were registered: each that differs once,
    sorted."""

    @property
    def title(self) -> str:
        said = self._said(lambda rights: rights.title)
        return said.text if said else PurePosixPath(self.path).name

    @property
    def rightsholder(self) -> Statement | None:
        """Who counts as the first rightsholder: another than was stated where that record was
        merged into another.
        """
        said = self._said(lambda rights: rights.rightsholder)
        if said is None or not self.owners or said.text in self.owners:
            return said
        return Statement(self.owners[0], said.basis, said.declared_instead or said.text)

    @property
    def licence(self) -> Statement | None:
        return self._said(lambda rights: rights.licence.reference if rights.licence else None)

    @property
    def terms(self) -> LicenceFacts | None:
        """The licence that counts."""
        for rights in (self.verified, self.declared):
            if rights and rights.licence:
                return rights.licence
        return None

    @property
    def creator(self) -> Statement | None:
        return self._said(lambda rights: rights.creator)

    @property
    def source_url(self) -> Statement | None:
        return self._said(lambda rights: rights.source_url)

    def _said(self, read: Callable[[Rights], str | None]) -> Statement | None:
        """What was verified counts before what was declared; both are kept where they differ."""
        verified = read(self.verified) if self.verified else None
        declared = read(self.declared) if self.declared else None
        if verified:
            return Statement(verified, "verified", declared if declared and declared != verified else None)
        return Statement(declared, "declared") if declared else None
