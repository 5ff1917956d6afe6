"""Every sentence about chance that a reader without statistics sees, and what holds it to it.

Each kind of sentence is listed with a simulation or a computation. A file that speaks of chance and
is not listed fails, so that a new sentence needs its proof.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from attribution.metrics.statistics import benjamini_hochberg, benjamini_yekutieli
from registry.basis.p_values import exact_p_values
from registry.outputs.chance import chances_to_pass

ROOT = Path(__file__).parents[2]
HELD_BY = {
    "reports/outputs/sentences.py": "test_tests_name_on_average_at_most_their_rate_by_chance",
    "reports/outputs/limits.py": "test_over_many_images_the_share_of_chance_is_not_limited",
    "reports/outputs/facts.py": "test_the_number_expected_by_chance_bounds_the_average",
    "reports/evaluations/sentences.py": "test_tests_name_on_average_at_most_their_rate_by_chance",
    "reports/evaluations/seen_works.py": "tests/attribution/metrics: an area of 0.5 where both groups are drawn alike",
    "reports/evaluations/page.py": "tests/attribution/evaluation: calibration under redrawn codes",
    "reports/statements/words.py": "test_one_test_for_each_rightsholder_keeps_its_rate",
    "reports/statements/facts.py": "test_the_number_expected_by_chance_bounds_the_average",
    "reports/tables/statements.py": "test_the_number_expected_by_chance_bounds_the_average",
    "templates/report.html.j2": "test_tests_name_on_average_at_most_their_rate_by_chance",
    "templates/index.html.j2": "test_one_test_for_each_rightsholder_keeps_its_rate",
    "templates/parts.html.j2": "test_the_number_expected_by_chance_bounds_the_average",
    "cli/commands/attribution/audit.py": "test_one_test_for_each_rightsholder_keeps_its_rate",
    "cli/commands/attribution/rankers.py": "tests/attribution/ranking: a rank correlation is 0 on average by chance",
    "reports/credentials/assertion.py": "test_tests_name_on_average_at_most_their_rate_by_chance",
    "reports/credentials/findings.py": "test_tests_name_on_average_at_most_their_rate_by_chance",
    "reports/content/outputs.py": "no prose: it imports the order of candidates",
    "reports/outputs/totals.py": "no prose: it computes the number expected by chance",
    "reports/imitations/page.py": "tests/attribution/imitation: p is uniform if images are dealt at random",
    "reports/imitations/words.py": "tests/attribution/imitation: p is uniform if images are dealt at random",
    "templates/imitation.html.j2": "tests/attribution/imitation: p is uniform if images are dealt at random",
    "reports/statements/imitations.py": "no prose: it copies the share of one name",
    "templates/statement.html.j2": "test_the_number_expected_by_chance_bounds_the_average",
    "reports/statements/findings.py": "no prose: it computes the number expected by chance",
}
"""By file with words on chance: the test here, or elsewhere, that holds them."""
DECOYS, LIST, RATE = 204, 10, 0.05


def images(seed: int, count: int, active: int) -> np.ndarray:
    """p-values of shortlists: the first ``active`` units are the strongest, the others null."""
    p_values = np.random.default_rng(seed).integers(1, DECOYS + 2, (count, LIST)) / (DECOYS + 1)
    p_values[:, :active] = 1 / (DECOYS + 1)
    return np.asarray(p_values)


def test_every_file_that_speaks_of_chance_is_listed() -> None:
    """Statistics' own modules aside: pages, statements, filings, credentials, commands."""
    speaking = {
        str(path.relative_to(ROOT))
        for folder in ("reports", "templates", "cli")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".j2") and re.search(r"\bchance\b", path.read_text(encoding="utf-8"))
    }
    assert speaking == set(HELD_BY)
    own = set(re.findall(r"^def (test_\w+)", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE))
    assert {name for name in HELD_BY.values() if name.startswith("test_")} <= own


@pytest.mark.parametrize("active", [0, 1, 4])
@pytest.mark.parametrize("rate", [0.01, RATE, 0.2])
def test_tests_name_on_average_at_most_their_rate_by_chance(active: int, rate: float) -> None:
    """Also where the rate is the q of a finding: naming nothing counts as 0."""
    shares = []
    for p_values in images(active, 2_000, active):
        named = benjamini_hochberg(p_values) <= rate
        shares.append(named[active:].sum() / max(1, named.sum()))
    assert np.mean(shares) - 3 * np.std(shares) / np.sqrt(len(shares)) <= rate


def test_over_many_images_the_share_of_chance_is_not_limited() -> None:
    """All findings of somebody whose works are null are chance, and some findings there are."""
    found = sum(int((benjamini_hochberg(p_values)[4:6] <= RATE).sum()) for p_values in images(0, 4_000, 4))
    assert found > 20


@pytest.mark.parametrize("active", [0, 1, 4])
def test_the_number_expected_by_chance_bounds_the_average(active: int) -> None:
    """For two null units in each of 2,000 images, and what really happens to them."""
    found, expected = 0, 0.0
    for p_values in images(10 + active, 2_000, active):
        found += int((benjamini_hochberg(p_values)[active : active + 2] <= RATE).sum())
        expected += sum(chances_to_pass(p_values.tolist(), RATE, 1 / (DECOYS + 1))[active : active + 2])
    assert found <= expected + 4 * np.sqrt(expected)


@pytest.mark.parametrize("active", [0, 3])
def test_one_test_for_each_rightsholder_keeps_its_rate(active: int) -> None:
    """Also if the tests depend on one another; with real codes and joint draws:
    tests/attribution/evidence/test_joint_test.py.
    """
    rng = np.random.default_rng(active)
    shares = []
    for _ in range(2_000):
        common = rng.normal()
        null = rng.normal(size=(12, 1)) * 0.6 + 0.8 * common
        decoys = rng.normal(size=(12, 999)) * 0.6 + 0.8 * rng.normal(size=(1, 999))
        p_values = exact_p_values(null[:, 0] + 6.0 * (np.arange(12) < active), decoys)
        named = benjamini_yekutieli(p_values) <= RATE
        shares.append(named[active:].sum() / max(1, named.sum()))
    assert np.mean(shares) - 3 * np.std(shares) / np.sqrt(len(shares)) <= RATE
