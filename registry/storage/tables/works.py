"""Works, and the statements about each: by its source, by the file itself, by its site."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import Column, Double, LargeBinary
from sqlmodel import Field, SQLModel

from registry.storage.tables.base import BULK, big, json_column, key, timestamp, unsigned


class DataSet(SQLModel, table=True):
    """A named source of works, registered once or many times."""

    __tablename__ = "data_set"

    id: int = key()
    name: str = Field(unique=True)
    kind: str
    """``folder``, ``archive``, ``shards`` or ``list``."""
    root: str
    """Absolute path of the folder or file; the works' paths are relative to it."""
    created_at: datetime.datetime = timestamp()


class Asset(SQLModel, table=True):
    """One training work, identified by its content: the same bytes are one work, wherever found.

    A work known by metadata alone is identified by its source's hash, else by its address.
    """

    __tablename__ = "asset"
    __table_args__ = BULK

    id: int = key()
    data_set_id: int = big()
    path: str | None = None
    """Relative to the data set's root, with ``/``; ``<archive>!/<member>`` inside an archive."""
    url: str | None = None
    """The work's own address on the web, from its source."""
    sha256: str | None = None
    """Hex. Of the file that was read here; as the source states it if ``byte_size`` is missing."""
    other_hash: str | None = None
    """Another hash that the source states, as ``md5:<hex>``."""
    identity: int = unsigned()
    """64 bits of a hash over the first of sha256, other_hash, url, path; for lookups, see
    registry.works.identity."""
    byte_size: int | None = big(nullable=True)
    """Null for a work that is known by its metadata alone."""
    media_type: str | None = None
    """As read from the file's content, for example ``image/png``."""
    width: int | None = None
    height: int | None = None
    pixel_mode: str | None = None
    """Pillow's mode, for example ``RGB``, ``P`` or ``I;16``."""
    registered_at: datetime.datetime = timestamp()

    # The current state. It follows from rows that never change, and is kept here so that ten
    # million works can be listed and filtered fast; `creditline doctor` recomputes and compares it.
    missing_since: datetime.datetime | None = timestamp(nullable=True)
    """When its source no longer had it. Such a work stays on record but joins no new encoding."""
    declared_id: int | None = big(nullable=True)
    """The newest declared row of asset_rights."""
    verified_id: int | None = big(nullable=True)
    """The newest verified row of asset_rights."""
    rightsholder_id: int | None = big(nullable=True)
    """From the verified row if it names one, else the declared row; never a merged record."""
    licence_id: int | None = big(nullable=True)
    permission: str
    """May it be trained on; see registry.permissions.rule."""
    caption_id: int | None = big(nullable=True)
    """The newest row of caption."""


class AssetRights(SQLModel, table=True):
    """Rights in a work, from one source at one time. The newest declared and verified rows are
    shown; for the permission every declared row counts until the rights are verified.
    """

    __tablename__ = "asset_rights"
    __table_args__ = BULK

    id: int = key()
    asset_id: int = big()
    basis: str
    """``declared``: stated by the supplier of the data. ``further``: stated for the same work by
    another row or file, beside the declared row. ``verified``: checked here."""
    rightsholder_id: int | None = big(nullable=True)
    """The first, where a work has several; co_rightsholder then has all."""
    licence_id: int | None = big(nullable=True)
    title: str | None = None
    creator: str | None = None
    """The maker, if not the rightsholder."""
    source_url: str | None = None
    attributes: dict[str, str] | None = json_column(nullable=True)
    """The source's other columns, for ``encode --unit <column>`` and ``train --label <column>``."""
    recorded_from: str
    """The source: a table's file name, ``folder name``, ``command line``."""
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()


class WorkCaption(SQLModel, table=True):
    """A caption of a work: what it shows, in words. The newest row of a work counts; text-to-image
    members train on it.
    """

    __tablename__ = "caption"
    __table_args__ = BULK

    id: int = key()
    asset_id: int = big()
    text: str
    """One line, see registry.captions.texts."""
    source: str
    """``template``, ``column``, ``text file``, ``JSON file``, ``XMP description``, ``IPTC caption``
    or ``XMP title``: the first of these that had a caption in its registration."""
    recorded_from: str
    """The source of the works' declarations: a table's or list's file name, ``folder name``,
    ``command line``."""
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()


class CoRightsholder(SQLModel, table=True):
    """One of several rightsholders of a work, according to one row of asset_rights."""

    __tablename__ = "co_rightsholder"
    __table_args__ = BULK

    id: int = key()
    rights_id: int = big()
    asset_id: int = big()
    position: int
    """1 for the first."""
    rightsholder_id: int = big()
    role: str | None = None
    """Such as ``photographer``, ``publisher``, ``model``."""
    share: float | None = Field(default=None, sa_column=Column(Double, nullable=True))
    """Part of the work that is theirs, 0 to 1."""


class EmbeddedMetadata(SQLModel, table=True):
    """A file's metadata, as read when the file was registered."""

    __tablename__ = "embedded_metadata"
    __table_args__ = BULK

    id: int = key()
    asset_id: int = big()
    creator: str | None = None
    copyright_notice: str | None = None
    credit_line: str | None = None
    rights_url: str | None = None
    """Web statement of rights."""
    usage_terms: str | None = None
    title: str | None = None
    description: str | None = None
    digital_source_type: str | None = None
    fields: dict[str, Any] = json_column()
    """Every value by where it was seen: exif, iptc, xmp."""
    xmp: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    """The raw packet."""
    c2pa: dict[str, Any] | None = json_column(nullable=True)
    """Content credentials: issuer, validation state, active manifest."""
    problems: list[str] = json_column()
    """Unread metadata, with reasons."""
    read_at: datetime.datetime = timestamp()


class AssetSignal(SQLModel, table=True):
    """A machine-readable statement about the use of a work; see :mod:`registry.signals`."""

    __tablename__ = "rights_signal"
    __table_args__ = BULK

    id: int = key()
    asset_id: int = big()
    protocol: str
    category: str
    use: str
    condition: str | None = None
    """The condition of a constrained use, or the condition's address."""
    raw: str
    found_in: str
    policy_id: int | None = big(nullable=True)
    """The site's policy behind it; null for a signal in the file itself."""
    seen_at: datetime.datetime = timestamp()


class SitePolicy(SQLModel, table=True):
    """A site's statement about its works; the newest per kind, domain, ``subdomains`` counts."""

    __tablename__ = "site_policy"

    id: int = key()
    kind: str
    """``tdmrep``, ``robots``, ``aipref`` or ``rsl``."""
    domain: str
    subdomains: bool
    """True: for the hosts below the domain; the host itself has its own row."""
    agents: list[str] = json_column()
    """The crawlers that collected the works, as far as was said."""
    file_name: str
    sha256: str
    content: str
    """The whole file."""
    seen_at: datetime.datetime = timestamp()
    recorded_by: str


class AssetFingerprint(SQLModel, table=True):
    """A perceptual hash of a work, 256 bits in four words; see :mod:`registry.similarity.pdq`."""

    __tablename__ = "fingerprint"
    __table_args__ = BULK

    id: int = key()
    asset_id: int = big()
    word0: int = unsigned()
    word1: int = unsigned()
    word2: int = unsigned()
    word3: int = unsigned()
    quality: int


class NearDuplicate(SQLModel, table=True):
    """Two works with similar fingerprints. They look alike; that proves no copying."""

    __tablename__ = "near_duplicate"
    __table_args__ = BULK

    id: int = key()
    asset_id: int = big()
    other_asset_id: int = big()
    """The larger of the two ids."""
    distance: int
    """Bits of 256 that differ."""
    found_at: datetime.datetime = timestamp()
