"""Reads the file of an audit, after comparing its hash with the registry's.

The file is read once; hash and tensors come from the same bytes. For a missing, altered or foreign
file the figures are "not measured" with that reason; the report goes on with the database alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from reports.facts import NotMeasured
from reports.outputs.illustrations import Vector
from reports.rendering.pictures import Picture, picture_of

FORMAT = "creditline-audit-1"

State = Literal["intact", "altered", "missing", "unreadable"]


@dataclass(frozen=True)
class Artefact:
    """The tensors of an audit's file; empty with a ``reason`` unless ``state`` is ``intact``."""

    state: State
    reason: str
    tensors: dict[str, NDArray[Any]]

    def picture(self, name: str, row: int | None = None) -> Picture | NotMeasured:
        """The image stored as u8 (height, width, channels), or the given row of a stack of them."""
        pixels = self._row(name, row)
        if isinstance(pixels, NotMeasured):
            return pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
            return NotMeasured(
                f"the audit's {name} is {pixels.dtype}{list(pixels.shape)}, expected uint8 [height, width, 1 or 3]"
            )
        return picture_of(pixels)

    def vector(self, name: str, row: int | None = None, *, gaps: bool = False) -> Vector | NotMeasured:
        """The finite f64 (length), or the given row of a matrix; ``gaps`` permits NaN."""
        values = self._row(name, row)
        if isinstance(values, NotMeasured):
            return values
        if values.dtype != np.float64 or values.ndim != 1 or values.size == 0:
            return NotMeasured(f"the audit's {name} is {values.dtype}{list(values.shape)}, expected float64 [length]")
        return (
            values
            if np.isfinite(values).all() or (gaps and np.isfinite(values).any() and not np.isinf(values).any())
            else NotMeasured(f"the audit's {name} holds values that are not numbers")
        )

    def _row(self, name: str, row: int | None) -> NDArray[Any] | NotMeasured:
        if self.state != "intact":
            return NotMeasured(self.reason)
        tensor = self.tensors.get(name)
        if tensor is None:
            return NotMeasured(f"the audit kept no {name.replace('_', ' ')}")
        if row is None:
            return tensor
        if tensor.ndim < 2 or row >= tensor.shape[0]:
            return NotMeasured(f"the audit's {name.replace('_', ' ')} has no entry for this candidate")
        entry: NDArray[Any] = tensor[row]
        return entry


def read_artefact(path: Path, sha256: str) -> Artefact:
    """The file of an audit whose recorded hash is ``sha256``."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Artefact("missing", f"the audit's file {path.name} is missing from the home", {})
    except OSError as error:
        return Artefact("unreadable", f"the audit's file {path.name} cannot be read: {error.strerror or error}", {})
    if hashlib.sha256(data).hexdigest() != sha256:
        return Artefact("altered", f"the audit's file {path.name} was altered since the audit recorded it", {})
    found = _format_of(data)
    if found != FORMAT:
        return Artefact("unreadable", f"the audit's file {path.name} has format {found!r}, expected {FORMAT!r}", {})
    try:
        return Artefact("intact", "", load(data))
    except (SafetensorError, KeyError, ValueError):
        return Artefact("unreadable", f"the audit's file {path.name} cannot be read as safetensors", {})


def _format_of(data: bytes) -> str | None:
    """``format`` in a safetensors header: eight bytes of length, little-endian, then JSON."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        found = header["__metadata__"]["format"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
