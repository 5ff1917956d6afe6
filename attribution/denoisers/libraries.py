"""diffusers, transformers and peft, imported in the one way that works with any build of torch.

The models of diffusers import transformers and peft where these are installed, and transformers
imports torchvision. torchvision fails to import beside a torch of another build, unless its missing
operators are declared first (:mod:`attribution.metrics.torchvision_models`). Every import of these
libraries therefore goes through this module. Each function returns the library's own module, which
loads its classes when they are named. The libraries draw no progress bars and log errors alone.

>>> network = diffusers().UNet2DModel
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType

from attribution.metrics.torchvision_models import declare_missing_operators
from registry.errors import MissingPartError


def diffusers() -> ModuleType:
    """The package diffusers."""
    return _quiet("diffusers")


def transformers() -> ModuleType:
    """The package transformers, which has the text encoders of text-to-image models.

    Raises:
        MissingPartError: it is not installed.
    """
    return _quiet("transformers")


def peft() -> ModuleType:
    """The package peft, through which diffusers loads LoRA files.

    Raises:
        MissingPartError: it is not installed.
    """
    return _library("peft")


@lru_cache
def _quiet(name: str) -> ModuleType:
    found, logs = _library(name), importlib.import_module(f"{name}.utils.logging")
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    return found


def _library(name: str) -> ModuleType:
    declare_missing_operators()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingPartError(
            f"text to image needs an optional part that is not here ({error.name}): "
            "pip install 'creditline[text-to-image]'"
        ) from error
