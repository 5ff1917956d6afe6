"""The page of an evaluation: what was measured in words, what was not with its reason, and nothing
hostile in it.
"""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from registry.outputs.evaluations import KeptEvaluation
from reports.evaluations.document import EVALUATION
from reports.evaluations.page import evaluation
from reports.evaluations.sentences import NEVER, OTHER_MEMBERS, null_sentence, power_sentence, quoted
from reports.issuing.stamp import UNSTAMPED

SHARE = {"share": 0.9375, "low": 0.85, "high": 0.98, "count": 60, "total": 64}
FACTS: dict[str, Any] = {
    "ensemble": "3fa2b1c09d11",
    "works": 256,
    "power": {
        "method": "works shown",
        "shown": 64,
        "false_discovery_rate": 0.05,
        **dict.fromkeys(("found", "found_first", "ranked_first", "shortlisted"), SHARE),
    },
    "null": {
        "method": "codes dealt anew",
        "redraws": 1000,
        "false_discovery_rate": 0.05,
        "kolmogorov_smirnov_p": 0.41,
        "more_discoveries_than_allowed_p": 0.9,
        "audits_with_a_discovery": {"share": 0.02, "low": 0.012, "high": 0.031, "count": 20, "total": 1000},
        "audits_with_a_main_source": {"share": 0.004, "low": 0.001, "high": 0.01, "count": 4, "total": 1000},
        "p_at_most_0.05": SHARE,
    },
    "rankers": {
        "method": "member-LDS",
        "alone": [{"name": "pixel-kernel", "member_lds": {"value": 0.7, "low": 0.6, "high": 0.8, "samples": 12}}],
        "used": {"name": "a fusion", "member_lds": {"not_measured": "too few samples"}},
    },
    "similarity": {"not_measured": "there are no samples"},
    "jacobian": {"method": "both", "samples": [{"sample": "ab", "rank_correlation": 0.99, "units": 32}]},
    "members_beside": {
        "method": "losses",
        "works": 64,
        "ensemble_by_members_that_did_not": {"value": 0.8, "low": 0.7, "high": 0.9},
        "ensemble_by_members_that_saw_it": {"value": 1.1, "low": 1.0, "high": 1.2},
    },
}


def kept(facts: object) -> KeptEvaluation:
    moment = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
    return KeptEvaluation(facts, moment, "me", 7, "f" * 64)  # type: ignore[arg-type]  # whatever somebody wrote


def test_the_page_says_what_was_measured() -> None:
    """In a sentence, in figures, and a section for each question; what was not measured says
    why.
    """
    page = evaluation(kept(FACTS))
    assert page.headline == "Audits found 60 of 64 training works shown to the models."
    assert "64 training works were shown to the models" in page.explanation
    assert "2 % of audits had a finding" in page.explanation
    by_title = {section.title: section for section in page.sections}
    assert by_title["What similarity alone is worth"].not_measured == "there are no samples"
    assert by_title["Rankings"].rows[0][:4] == ("pixel-kernel", "generated", "0.7", "0.6 to 0.8")
    assert by_title["Rankings"].rows[1][2:4] == ("not measured", "too few samples")
    assert by_title["Estimates beside real ablation"].rows == (("ab", "0.99", "not measured", "32"),)
    assert by_title["The ensemble beside its members"].rows[0][1] == "0.8"
    html = EVALUATION.page(kept(FACTS), {}, UNSTAMPED)
    assert "<svg" in html
    assert "event 7" in html
    assert "(no name)" not in html


def test_rankings_on_generated_and_on_given_images_stand_apart() -> None:
    """Each with its choice and grade; the answer names both choices."""
    alone = {**FACTS["rankers"]["alone"][0], "given_images": {"value": 0.4, "low": 0.1, "high": 0.6, "samples": 48}}
    given = {"name": "pixel-kernel", "member_lds": alone["given_images"]}
    rankers = {**FACTS["rankers"], "alone": [alone], "used_for_given_images": given}
    section = {one.title: one for one in evaluation(kept({**FACTS, "rankers": rankers})).sections}["Rankings"]
    assert section.rows[2] == ("pixel-kernel", "given", "0.4", "0.1 to 0.6", "48")
    assert section.rows[3][0] == "used: pixel-kernel"
    assert "Audits of generated images use a fusion." in section.answer
    assert "Audits of given images use pixel-kernel. Its grade: 0.4" in section.answer


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"power": 3, "null": [], "rankers": {"alone": 5}},
        {"power": {"found": {"share": True}}},
        {"jacobian": {"samples": [1]}},
    ],
)
def test_facts_that_are_not_ours_are_not_measured(facts: object) -> None:
    """A page all the same: every section says that there is nothing."""
    page = evaluation(kept(facts))
    assert "not measured" in page.headline
    assert all(section.not_measured or section.rows == () or section.rows for section in page.sections)
    assert "<html" in EVALUATION.page(kept(facts), {}, UNSTAMPED)


def test_nothing_of_the_log_becomes_markup() -> None:
    """Names and reasons come from outside."""
    evil = "<script>alert(1)</script>"
    facts = {**FACTS, "ensemble": evil, "similarity": {"not_measured": evil}, "versions": {evil: evil}}
    facts["rankers"] = {
        **FACTS["rankers"],
        "alone": [{"name": evil + "$x$", "member_lds": {"value": 1, "low": 0, "high": 1}}],
    }
    html = EVALUATION.page(kept(facts), {}, UNSTAMPED)
    assert "<script" not in html
    assert "alert(1)" in html


def test_sentences_for_other_reports() -> None:
    """With the interval; without a measurement, with the reason."""
    assert "95 % interval 85 % to 98 %" in power_sentence(FACTS)
    assert "at most 5 % is allowed), and 0.4 % named a main source." in null_sentence(FACTS)
    earlier = {**FACTS["null"]}
    del earlier["audits_with_a_main_source"]
    assert null_sentence({**FACTS, "null": earlier}).endswith("at most 5 % is allowed).")
    assert power_sentence({"power": {"not_measured": "no works"}}).endswith("no works.")


def test_reports_quote_the_evaluation_of_their_members() -> None:
    """With where it is from; of other members it is said, and that nothing was measured as well."""
    facts = {**FACTS, "members_sha256": "a" * 64}
    assert quoted(None, "a" * 64) == (NEVER,)
    own = quoted(kept(facts), "a" * 64)
    assert (
        "audits found 94 % (95 % interval 85 % to 98 %), by tests that name on average at most 5 % by chance" in own[0]
    )
    assert own[-1] == "Measured 2026-01-02 by `creditline evaluate`, event 7 of the log."
    assert OTHER_MEMBERS not in own
    assert OTHER_MEMBERS in quoted(kept(facts), "b" * 64)


SEEN: dict[str, Any] = {
    "method": "works and probes",
    "works": 64,
    "probes": 39,
    "area_under_curve": {"value": 0.96, "low": 0.93, "high": 0.98},
    "found": {"0.05": SHARE, "0.01": {"not_measured": "99 probes are needed for it, and there are 39"}},
    "false_alarms": {"0.05": {"share": 0.05, "low": 0.01, "high": 0.17, "count": 2, "total": 39}},
    "curve": [[0.0, 0.0], [0.0, 0.8], [0.1, 0.9], [1.0, 1.0]],
}


def test_works_told_from_probes_are_shown_with_their_curve() -> None:
    """Figures, a curve, and what too few probes cannot say."""
    section = evaluation(kept({**FACTS, "seen": SEEN})).sections[-1]
    assert section.title == "Did these models see this very work?"
    assert "Against 39 probes, the area under the curve is 0.96" in section.answer
    assert "With an error of at most 5 %, 94 % of the works shown were found." in section.answer
    assert section.plot is not None
    assert "<svg" in section.plot
    cells = {row[0]: row[1:] for row in section.rows}
    assert cells["works found, with an error of at most 5 %"] == ("94 %", "85 % to 98 %", "60 of 64")
    assert cells["works found, with an error of at most 1 %"][:2] == (
        "not measured",
        "99 probes are needed for it, and there are 39",
    )
    assert cells["probes taken for works at 5 %"][2] == "2 of 39"


@pytest.mark.parametrize("curve", [None, "x", [[0.0]], [[0.0, 2.0]], [["a", "b"]], [[0.0, True]]])
def test_a_curve_that_cannot_be_drawn_is_left_out(curve: object) -> None:
    """The rest of the section stays."""
    section = evaluation(kept({**FACTS, "seen": {**SEEN, "curve": curve}})).sections[-1]
    assert section.plot is None
    assert section.rows


def test_without_probes_the_reason_is_told() -> None:
    """Also for evaluations from before."""
    assert evaluation(kept({**FACTS, "seen": {"not_measured": "no probes"}})).sections[-1].not_measured == "no probes"
    assert evaluation(kept(FACTS)).sections[-1].not_measured
