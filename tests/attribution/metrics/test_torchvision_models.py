"""torchvision beside any build of torch, and weights loaded only by a known hash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from attribution.metrics.torchvision_models import load_known_weights, torchvision_models
from registry.errors import InputError, MissingPartError
from registry.ids import sha256_of_file

ALONE = """
import warnings
warnings.simplefilter("error")
from attribution.metrics.torchvision_models import torchvision_models
first = torchvision_models()
assert torchvision_models() is first
print(sum(weight.numel() for weight in first.squeezenet1_1(weights=None).parameters()))
"""


@pytest.mark.slow
def test_its_networks_can_be_made_in_a_new_process() -> None:
    """Twice, without a warning, with this machine's build of torch."""
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1235496"]


def test_without_torchvision_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An optional part that is missing, not a crash."""
    monkeypatch.setattr("attribution.metrics.torchvision_models.find_spec", lambda _: None)
    with pytest.raises(MissingPartError, match="pip install torchvision"):
        torchvision_models()


def test_only_the_file_of_that_hash_is_read(tmp_path: Path) -> None:
    """Another file, a missing one, and one that would run code are refused."""
    good, other = tmp_path / "good.pth", tmp_path / "other.pth"
    torch.save({"weight": torch.arange(3.0)}, good)
    torch.save({"weight": torch.zeros(3)}, other)
    known = sha256_of_file(good)
    assert load_known_weights(good, known)["weight"].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="another file, or damaged"):
        load_known_weights(other, known)
    with pytest.raises(InputError, match="cannot be read"):
        load_known_weights(tmp_path / "none.pth", known)
    hostile = tmp_path / "hostile.pth"
    torch.save(print, hostile)
    with pytest.raises(InputError, match="cannot be read as weights"):
        load_known_weights(hostile, sha256_of_file(hostile))
    listed = tmp_path / "list.pth"
    torch.save([torch.zeros(1)], listed)
    with pytest.raises(InputError, match="no table of weights"):
        load_known_weights(listed, sha256_of_file(listed))
