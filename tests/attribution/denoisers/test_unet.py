"""The UNet of pixels is diffusers' own, to the last bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from attribution.denoisers.libraries import diffusers
from attribution.denoisers.pixels import PixelUNet

KINDS = (
    PixelUNet(),
    PixelUNet(size=8, channels=1, widths=(16,), patch=1),
    PixelUNet(attention=True, class_count=3),
    PixelUNet(size=32, widths=(16, 24, 24), layers_per_block=2, attention=True),
    PixelUNet(widths=(9, 15), groups=3, layers_per_block=3),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.widths))
def test_start_outputs_and_gradients_are_those_of_diffusers(kind: PixelUNet) -> None:
    """From the same seed; and the order of the parameters, which numbers a checkpoint's tensors."""
    ours = kind.new_member(5).network
    torch.manual_seed(5)
    theirs = diffusers().UNet2DModel(**kind.config())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    expected = theirs.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in ours.state_dict().items())
    planes, side = kind.channels * kind.patch**2, kind.size // kind.patch
    x = torch.randn(4, planes, side, side)
    t = torch.tensor([0, 3, 500, 999])
    classes = torch.tensor([0, 1, 2, 1]) if kind.class_count else None
    made, wanted = ours(x, t, classes), theirs(x, t, class_labels=classes, return_dict=False)[0]
    assert torch.equal(made, wanted)
    mine = torch.autograd.grad(made.square().sum(), list(ours.parameters()))
    peers = torch.autograd.grad(wanted.square().sum(), list(theirs.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(mine, peers, strict=True))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.widths))
def test_a_member_is_saved_byte_for_byte_as_by_diffusers(kind: PixelUNet, tmp_path: Path) -> None:
    """Configuration and weights; and diffusers opens them."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    member = kind.new_member(0)
    kind.save_member(member, ours)
    library = diffusers().UNet2DModel
    network = library(**kind.config())
    network.load_state_dict(member.state())
    network.save_pretrained(theirs)
    names = sorted(path.name for path in theirs.iterdir())
    assert names == sorted(path.name for path in ours.iterdir())
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    opened = library.from_pretrained(ours).state_dict()
    assert all(torch.equal(value, opened[name]) for name, value in member.state().items())


def test_a_member_is_made_without_diffusers() -> None:
    """In a new process."""
    program = (
        "import sys; from attribution.denoisers.pixels import PixelUNet; PixelUNet().new_member(0); "
        "print({'diffusers', 'transformers', 'peft'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
