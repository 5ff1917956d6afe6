"""diffusers' models can be imported whatever torchvision's build and whatever is installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from attribution.denoisers import libraries
from registry.errors import MissingPartError

ROOT = Path(__file__).parents[3]
LIBRARIES = {"diffusers", "transformers", "peft"}

ALONE = """
import warnings
warnings.simplefilter("error")
from attribution.denoisers.libraries import diffusers
for name in ("UNet2DModel", "UNet2DConditionModel", "AutoencoderKL", "AutoencoderTiny"):
    print(getattr(diffusers(), name).__name__)
"""


@pytest.mark.slow
def test_models_are_imported_in_a_new_process() -> None:
    """Without a warning, with or without peft and transformers."""
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["UNet2DModel", "UNet2DConditionModel", "AutoencoderKL", "AutoencoderTiny"]


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra to install."""
    libraries._quiet.cache_clear()
    monkeypatch.setitem(sys.modules, "transformers", None)  # a package that is not there
    with pytest.raises(MissingPartError, match=r"pip install 'creditline\[text-to-image\]'"):
        libraries.transformers()


@pytest.mark.skipif(find_spec("peft") is None, reason="the extra text-to-image is not installed")
def test_the_libraries_of_the_extra() -> None:
    """Both have what members of text-to-image bases need."""
    assert libraries.transformers().CLIPTextModel.__name__ == "CLIPTextModel"
    assert libraries.peft().LoraConfig.__name__ == "LoraConfig"


@pytest.mark.slow
def test_no_other_module_imports_them() -> None:
    """Other modules name these libraries for types alone."""
    found = []
    for package in ("attribution", "registry", "reports", "cli", "benchmarks"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_bytes())
            for_types = {
                id(part)
                for node in ast.walk(tree)
                if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
                for part in ast.walk(node)
            }
            for node in ast.walk(tree):
                if id(node) in for_types or not isinstance(node, (ast.Import, ast.ImportFrom)):
                    continue
                modules = [name.name for name in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                if {module.partition(".")[0] for module in modules} & LIBRARIES:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found
