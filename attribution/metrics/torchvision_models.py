"""torchvision's networks with any build of torch, and files of weights under a known hash.

torchvision has compiled operators (non-maximum suppression and others) for one build of torch. With
another build (a CUDA wheel of torchvision, a CPU build of torch) the operators cannot be loaded,
and the whole package fails to import, although its networks need none of them. Missing operators
are therefore declared without an implementation.

>>> models = torchvision_models()
>>> network = models.mobilenet_v2(weights=None)
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType

import torch
from torch import Tensor

from registry.errors import InputError, MissingPartError

_BOX_OPERATORS = ("nms", "qnms")
"""Operators that the import of torchvision registers details of."""
_declared: list[torch.library.Library] = []
"""A declaration lasts as long as its library object."""


def torchvision_models() -> ModuleType:
    """``torchvision.models``.

    Raises:
        MissingPartError: torchvision is not installed, or does not match this torch.
    """
    if not declare_missing_operators():
        raise MissingPartError(
            "torchvision is not installed: pip install torchvision, of the version that goes with torch"
        )
    try:
        return importlib.import_module("torchvision.models")
    except (ImportError, RuntimeError) as error:
        first_line = str(error).splitlines()[0]
        raise MissingPartError(
            f"torchvision cannot be imported beside torch {torch.__version__} ({first_line}): install the one that goes with it"
        ) from error


def declare_missing_operators() -> bool:
    """Make torchvision importable, also for libraries that import it, such as transformers.

    Returns:
        Whether torchvision is installed.
    """
    found = find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        return False
    if not _loads_its_operators(Path(found.submodule_search_locations[0])) and not _declared:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for name in _BOX_OPERATORS:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]  # as above
        _declared.append(library)
    return True


def _loads_its_operators(package: Path) -> bool:
    """Whether the compiled operators match this torch; loads torchvision's library, once."""
    if _is_known(_BOX_OPERATORS[0]):
        return not _declared
    for suffix in EXTENSION_SUFFIXES:
        path = package / f"_C{suffix}"
        if path.exists():
            try:
                torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]  # as above
            except OSError:
                return False
            return _is_known(_BOX_OPERATORS[0])
    return False


def _is_known(operator: str) -> bool:
    return hasattr(torch.ops.torchvision, operator)


def load_known_weights(path: Path, sha256: str) -> Mapping[str, Tensor]:
    """Read a file of weights after a check of its hash; code in the file is not run.

    Raises:
        InputError: the file is unreadable, has another hash, or has no table of weights.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise InputError(
                    f"{path} has the SHA-256 {found[:12]}…, expected {sha256[:12]}…: it is another file, or damaged"
                )
            file.seek(0)
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(f"{path} cannot be read as weights: {error}") from error
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{path} holds no table of weights")
    return weights
