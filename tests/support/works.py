"""Folders of works for tests, good ones and bad ones; every file is written to disk."""

from __future__ import annotations

import colorsys
import csv
import io
import shutil
import struct
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from registry.home import Home
from registry.ingest.owners.declarations import OneOwner, OwnerSource
from registry.ingest.registration import RegistrationReport, register_folder
from registry.storage.database import Registry

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
ADA = OneOwner("Ada Example", "CC-BY-4.0")


def picture(number: int, side: int = 8) -> Image.Image:
    """A small picture, different for every number."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618 % 1.0, 0.8, 0.9)
    image = Image.new("RGB", (side, side), (int(red * 255), int(green * 255), int(blue * 255)))
    for bit in range(side):
        image.putpixel((bit, 0), (255 * (number >> bit & 1),) * 3)
    return image


def encoded(image: Image.Image, name: str = "PNG", **options: object) -> bytes:
    """The image as a file of a format."""
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def write_pictures(folder: Path, names: Iterable[str], first: int = 0) -> Path:
    """Write a different picture under each name, below ``folder``."""
    for number, name in enumerate(names, start=first):
        write(folder / name, encoded(picture(number)))
    return folder


def write(path: Path, data: bytes) -> Path:
    """Write a file and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_csv(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """Write an owner table; the columns are the keys of the first row."""
    listed = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    return path


def register(registry: Registry, folder: Path, owners: OwnerSource = ADA, **options: object) -> RegistrationReport:
    """Register a folder at the tests' time; near duplicates (a process) only on request."""
    chosen: dict[str, Any] = {"near_duplicates": False, **options}
    return register_folder(registry, folder, owners, now=NOW, **chosen)


def copied(registry: Registry, folder: Path) -> Registry:
    """A copy of the registry below ``folder``; works stay where they were registered."""
    return Registry(Home(shutil.copytree(registry.home.root, folder / "home")))


def png_header(width: int, height: int) -> bytes:
    """A complete, tiny PNG that claims these dimensions: decoding takes that much memory."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
