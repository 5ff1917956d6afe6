"""The options of ``creditline audit`` that say what LPIPS is measured with."""

from __future__ import annotations

from pathlib import Path

from tests.support.running import Creditline
from tests.support.world import make_world


def test_only_known_networks_and_known_files(tmp_path: Path) -> None:
    """Another name, and weights that LPIPS was not fitted to, are refused before anything is
    computed.
    """
    world = make_world(tmp_path / "home")
    sample = world.add_sample(0).id
    creditline = Creditline(world.registry.home.root)
    unknown = creditline("audit", sample, "--lpips", "resnet")
    assert unknown.status == 2
    assert "choose one of alex, vgg, squeeze" in unknown.err
    path = tmp_path / "alexnet-owt-7be5be79.pth"
    path.write_bytes(b"by that name only")
    stranger = creditline("audit", sample, "--lpips-weights", path)
    assert stranger.status == 2
    assert "holds no weights that LPIPS was fitted to" in stranger.err
    assert creditline("audit", sample, "--jacobian-members", 0).status == 2
