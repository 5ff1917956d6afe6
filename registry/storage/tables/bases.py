"""Base models, and what is recorded of each."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, String
from sqlmodel import Field, SQLModel

from registry.storage.tables.base import big, json_column, key, timestamp


class BaseModel(SQLModel, table=True):
    """A frozen text-to-image model whose adapters are members: what its files alone determine."""

    __tablename__ = "base_model"

    id: str = key(kind=String)
    """SHA-256 over the hashes of its components."""
    pipeline: str
    """Class of the pipeline that its folder names."""
    family: str
    """``sd``: one text encoder. ``sdxl``: two text encoders, and the added conditions of SDXL."""
    prediction: str
    """``epsilon`` or ``v_prediction``."""
    schedule: dict[str, Any] = json_column()
    """The noise schedule that it was trained under: kind of betas, first, last, steps."""
    latents: dict[str, Any] = json_column()
    """Channels, height, width, pixels per latent, scale and shift."""
    tokens: int
    """Longest text in tokens."""
    variant: str | None = None
    """``fp16`` where the weight files are ``*.fp16.safetensors``."""
    created_at: datetime.datetime = timestamp()


class BaseComponent(SQLModel, table=True):
    """A part of a base model, with the files that it is loaded from."""

    __tablename__ = "base_component"

    base_id: str = key(kind=String)
    number: int = key(kind=Integer)
    """From 0, in order of name."""
    name: str
    """Such as ``unet``, ``vae``; ``pipeline`` is the list of the parts."""
    class_name: str
    sha256: str
    """Over the hashes of its files."""
    weights: int = Field(sa_column=Column(BigInteger, nullable=False))
    """Number of values in its weight files."""
    files: list[dict[str, Any]] = json_column()
    """``path`` relative to the base's folder, ``size`` in bytes, ``sha256``."""


class BaseDetails(SQLModel, table=True):
    """What people recorded about a base model, and where it lies; the newest row counts."""

    __tablename__ = "base_details"

    base_id: str = key(kind=String)
    number: int = key(kind=Integer)
    """From 0, in order of recording."""
    name: str
    folder: str
    """Absolute path of the base's folder."""
    licence_id: int | None = big(nullable=True)
    """The terms of the base itself."""
    source: str | None = None
    """Where the base is from, in words or as an address."""
    data_set_id: int | None = big(nullable=True)
    """The registered data set that the base was trained on; null: not known."""
    recorded_by: str
    recorded_at: datetime.datetime = timestamp()
    stated_training: str | None = None
    """The data sets that its model card states, unchecked; null: none."""
