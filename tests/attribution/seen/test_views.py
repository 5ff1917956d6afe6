"""Laying an image over a work: a changed copy comes back, another picture stays another."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.seen.views import nearest_view, overlay

SIDE = 16


def picture(seed: int) -> np.ndarray:
    """A smooth picture in [0, 1]."""
    waves = np.random.default_rng(seed).uniform(-1, 1, (3, 3, 2))
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    found = sum(
        waves[:, k, 0, None, None] * np.sin(2 * np.pi * (k + 1) * x / 1.7 + k)
        + waves[:, k, 1, None, None] * np.cos(2 * np.pi * (k + 1) * y / 1.3)
        for k in range(3)
    )
    return np.asarray((0.5 + 0.12 * found).clip(0, 1), dtype=np.float32)


def test_the_work_itself_is_left_as_it_is() -> None:
    """To rounding."""
    work = picture(0)
    found = overlay(work, work)
    assert (found.scale, found.across, found.down) == (1.0, 0.0, 0.0)
    assert np.allclose(found.applied(work), work, atol=1e-5)


@pytest.mark.parametrize("change", ["shift", "contrast", "both"])
def test_a_changed_copy_comes_back(change: str) -> None:
    """It is nearer to the work after the change than before; edges apart, it is the work."""
    work = picture(1)
    copy = np.concatenate([work[:, :, :1], work[:, :, :-1]], axis=2) if change != "contrast" else work
    copy = copy if change == "shift" else 0.6 * copy + 0.2
    found = overlay(copy, work)
    laid = found.applied(copy)
    assert np.abs(laid - work)[:, 2:-2, 2:-2].max() < 0.01
    assert np.square(laid - work).mean() < np.square(copy - work).mean() / 10
    if change != "contrast":
        assert found.across == pytest.approx(-1 / SIDE)


def test_another_picture_stays_another() -> None:
    """No change makes one picture of another; the nearest work is the copied one."""
    works = np.stack([picture(seed) for seed in (2, 3, 4)])
    copy = 0.7 * np.roll(works[1], 1, axis=1) + 0.1
    place, found = nearest_view(copy.astype(np.float32), works)
    assert place == 1
    assert overlay(works[0], works[1]).difference > 10 * found.difference


def test_larger_images_are_changed_at_their_own_size() -> None:
    """The search is on a small version; a share of the side is a share of any side."""
    work = np.kron(picture(5), np.ones((1, 4, 4), dtype=np.float32))
    copy = np.concatenate([work[:, :4], work[:, :-4]], axis=1)
    found = overlay(copy, work)
    assert found.down == pytest.approx(-1 / SIDE)
    assert found.applied(copy).shape == (3, 4 * SIDE, 4 * SIDE)
    assert np.abs(found.applied(copy) - work)[:, 8:-8, 8:-8].max() < 0.01
