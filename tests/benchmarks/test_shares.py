"""Grades of rules that divide outputs: closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.shares.grades import graded, parts, told


def test_shares_that_are_the_parts_have_the_best_grades() -> None:
    """Order, first, pooled correlation are 1, and twice the share is twice the change."""
    changes = np.random.default_rng(0).gamma(1.0, size=(12, 10))
    found = graded(parts(changes), 3.0 * changes)
    assert found["order"]["mean"] == pytest.approx(1.0)
    assert (found["first"], found["pooled"]) == (1.0, 1.0)
    assert found["twice"]["changes"] == pytest.approx(found["twice"]["shares"], rel=0.2)
    assert all(row["share"] == pytest.approx(row["part"], abs=1e-3) for row in found["calibration"])


def test_a_rule_that_divides_nothing_has_no_grade() -> None:
    """The reason stands in place of the figures."""
    assert "not_measured" in graded(np.zeros((3, 4)), np.ones((3, 4)))


def test_the_result_has_the_calibration_of_the_kept_rule_alone() -> None:
    """All other grades stand there for every rule."""
    grade = graded(np.eye(4), np.eye(4))
    rules = {"kept": {"unit": {"loss": grade}}, "other": {"unit": {"loss": grade}}}
    found = told(rules, "kept")
    assert found["kept"] == rules["kept"]
    assert found["other"] == {"unit": {"loss": {name: grade[name] for name in grade if name != "calibration"}}}
