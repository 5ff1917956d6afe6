"""The tables of ``docs/reproduction.md``: published beside measured, creditline beside its peers.

Their figures are read from the result files, never typed.

    python -m benchmarks.papers.table             rewrite the tables between their marks
    python -m benchmarks.papers.table --check     exit status 1 if the tables are not up to date
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS

PAGE = Path(__file__).parents[2] / "docs" / "reproduction.md"
PEERS = {"ekfac": "EKFAC", "trak": "TRAK", "d-trak": "D-TRAK", "tracin": "TracInCP"}
QUERIES = {"generated": "generated", "held_out": "held out"}
NOT_RUN = "not run yet"
Facts = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One experiment: the published figure, and the text for the measured one."""

    file: str
    title: str
    published: str
    measured: Callable[[Facts], str]
    agrees: Callable[[Facts], str]


def within(bounds: list[float], digits: int = 2) -> str:
    """An interval in brackets."""
    return f"[{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]"


def percent(found: Facts) -> str:
    """A share with its interval."""
    low, high = found["interval_95"]
    return f"{100 * found['share']:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of {found['of']}"


def mean(found: Facts, digits: int = 2) -> str:
    """A mean with its interval."""
    return f"{found['mean']:.{digits}f} {within(found['interval_95'], digits)}"


def units(case: Facts) -> str:
    """The number of an ensemble's units."""
    return f"N = {case['ensemble']['units']:,}"


def _e04(facts: Facts) -> str:
    return "; ".join(
        f"{units(case)}: Frechet {case['frechet']['ensemble']:.2f} against the members' median "
        f"{case['frechet']['members_median']:.2f} ({case['frechet']['members_better_than_the_ensemble']} of "
        f"{len(case['frechet']['members'])} better; works {case['frechet']['works']:.2f}), energy "
        f"{case['energy']['ensemble']:.3f} against {case['energy']['members_median']:.3f}"
        for case in facts["cases"]
    )


def _e05(facts: Facts) -> str:
    def falling(rows: Facts) -> str:
        return ", ".join(f"{row['mean']:.0f} (m = {size})" for size, row in rows.items())

    return "; ".join(
        f"{units(case)}: to all 16 {falling(case['to_the_whole'])}; between two without a common member "
        f"{falling(case['between_disjoint'])}"
        for case in facts["cases"]
    )


def _e06(facts: Facts) -> str:
    return (
        f"class changes without its own class in {percent(facts['class_changes_without_its_own_class'])}; "
        f"{100 * facts['other_classes_that_leave_it']['mean']:.0f} % of other classes leave it"
    )


def _e07(facts: Facts) -> str:
    def tested(found: Facts) -> str:
        return (
            f"p = 10^{found['log10_p']:.0f} at {facts['ensemble']['samples']:,} samples, AUC {found['auc']:.3f} "
            f"{within(found['auc_interval_95_over_samples'], 3)}"
        )

    measured = "auc" in facts["lpips"]
    lpips = f"LPIPS-style, uncalibrated: {tested(facts['lpips'])}" if measured else "LPIPS not measured"
    return f"Euclidean: {tested(facts['euclidean'])}; {lpips}"


def _e10(facts: Facts) -> str:
    found = facts["spearman_with_exact"]
    return (
        f"Spearman over {facts['ensemble']['units']} units: Jacobian {mean(found['jacobian'])}, last-step noise "
        f"{mean(found['last_step_noise'])}, individual models {mean(found['individual_models'])}; "
        f"{found['jacobian']['samples']} samples"
    )


def _e11(facts: Facts) -> str:
    ratios = [case["jacobian_by_plain_runs_over_n_plus_1"] for case in facts["cases"]]
    return (
        f"{min(ratios):.2f} to {max(ratios):.2f} times n + 1 plain runs (n = {facts['n']}, the product's UNets), "
        f"{facts['influences']['units']:,} influences from it in {facts['influences']['seconds']:.2f} s"
    )


def _copies(copied: Facts) -> str:
    ratio = copied["generated_over_unseen"]
    return (
        f"{percent(copied['near_copies'])} near copies, distance to the nearest work {ratio:.2f} of an unseen digit's"
    )


def _standing(case: Facts, kind: str) -> str:
    found = case["attribution"]["by_influence"][kind]
    return f"nearest work at {mean(found['standing_of_the_nearest'])} of the ranks (chance 0.5)"


def _first(case: Facts) -> str:
    found = case["attribution"]["by_influence"]["jacobian"]["top_is_the_nearest_work"]
    return f"nearest work first by the Jacobian in {percent(found)}"


def _tested(case: Facts) -> str:
    found = case["attribution"]["directional_test_of_the_nearest"]["p_at_most_0.05"]
    return f"creditline's test of it p <= 0.05 in {percent(found)}"


def _alone(case: Facts) -> str:
    """What single members copy of their own works, in results that have it."""
    found = case.get("copying_by_single_members")
    if found is None:
        return ""
    return (
        f"single members {percent(found['near_copies'])} near copies, {100 * found['memorised']['share']:.0f} % "
        f"memorised; the ensemble "
    )


def _e12(facts: Facts) -> str:
    return "; ".join(
        f"{units(case)}: {_alone(case)}{_copies(case['copying'])}; {_first(case)}; by exact influence "
        f"{_standing(case, 'exact')}; {_tested(case)}"
        for case in facts["cases"]
    )


def _e12_agrees(facts: Facts) -> str:
    """Both halves of the claim, for the most works."""
    case = facts["cases"][-1]
    copied = case["copying"]["near_copies"]["share"] > 0.5
    obvious = case["attribution"]["by_influence"]["jacobian"]["top_is_the_nearest_work"]["interval_95"][0] > 0.5
    if copied == obvious:
        return "yes" if copied else "no"
    return "copies yes, attribution no" if copied else "copies no, attribution yes"


def _e13(facts: Facts) -> str:
    copied = "; ".join(f"N = {int(count):,}: {_copies(found)}" for count, found in facts["copying"].items())
    return f"{copied}; {_first(facts)}, {_standing(facts, 'jacobian')}; {_tested(facts)}"


def _e15(facts: Facts) -> str:
    radii = ", ".join(
        f"{rung['geometric_mean']:.1f} {within(rung['interval_95'], 1)} ({units(rung)})" for rung in facts["rungs"]
    )
    slope = facts["slope_of_log10_radius_on_log10_units"]
    return f"{radii}; log10 CR = {facts['intercept']:.2f} {slope['value']:+.2f} log10 N, slope {within(slope['interval_95'])}"


def _e16(facts: Facts) -> str:
    case = facts["ensemble"]
    return f"radius exactly 0 in {percent(facts['radius_exactly_0'])}; all {case['units']} units removed for real"


def _e17(facts: Facts) -> str:
    return ", ".join(
        f"{rung['relative_rate']['value']:.2f} {within(rung['relative_rate']['interval_95'])} ({units(rung)})"
        for rung in facts["rungs"]
    )


def _e18(facts: Facts) -> str:
    needed = facts["members_needed"]
    chosen = ("256", "10000", "60000", "1000000", "5000000000")
    return ", ".join(f"{needed[count]} for {int(count):,}" for count in chosen)


def _held(facts: Facts) -> str:
    return "yes" if facts["held"] else "no"


ROWS = (
    Row(
        "papers/e04_ensemble_against_members",
        "E4 ensemble against its members",
        "TDA: FID of the ensemble comparable to its members' or better (a plot)",
        _e04,
        _held,
    ),
    Row("papers/e05_growing_n", "E5 growing n", "TDA: images converge as n grows (a plot)", _e05, _held),
    Row(
        "papers/e06_classes_as_units",
        "E6 classes as units",
        "WDL fig. 1b: ablating a sample's own class changes it, most others leave it (chosen examples)",
        _e06,
        _held,
    ),
    Row(
        "papers/e07_class_influence",
        "E7 influence of the predicted class",
        "WDL fig. 1c: Mann-Whitney p <= 1e-300 at 3,000 samples, Euclidean and LPIPS",
        _e07,
        _held,
    ),
    Row(
        "papers/e10_jacobian_against_exact",
        "E10 Jacobian against real ablation",
        "TDA: correlates with true influence, above both baselines (a plot)",
        _e10,
        _held,
    ),
    Row("auditing/jacobian_cost", "E11 cost of all influences", "WDL: n forward-mode runs", _e11, _held),
    Row(
        "papers/e12_near_copies",
        "E12 few works",
        "WDL fig. 2a, 300 works: copies, attribution mostly obvious (16 examples)",
        _e12,
        _e12_agrees,
    ),
    Row(
        "papers/e13_fewer_copies",
        "E13 many works",
        "WDL fig. 2b: more creative, attributions far less intuitive (16 examples)",
        _e13,
        _held,
    ),
    Row(
        "papers/e15_counterfactual_radius",
        "E15 counterfactual radius",
        "ABC, MNIST, N = 256 .. 8,192: 103.6, 100.6, 87.0, 65.6, 56.9, 58.3; log10 CR = 2.46 - 0.2 log10 N",
        _e15,
        _held,
    ),
    Row(
        "papers/e16_unattributable",
        "E16 unattributable samples",
        "ABC: on binarised digits some samples have radius 0",
        _e16,
        _held,
    ),
    Row(
        "papers/e17_false_attribution",
        "E17 false attribution rate, relative",
        "ABC: near 0 at N = 256, near 1 by N = 4,096 to 8,192",
        _e17,
        _held,
    ),
    Row("papers/e18_members_needed", "E18 members needed", "16 for 10,000, 20 for 60,000", _e18, _held),
)


def table(results: Path) -> str:
    """The table, from the result files in a folder; it names missing files."""
    lines = ["| experiment | published | here | agrees |", "|---|---|---|---|"]
    for row in ROWS:
        path = results / f"{row.file}.json"
        if path.exists():
            facts = json.loads(path.read_text(encoding="utf-8"))["results"]
            measured, agrees = row.measured(facts), row.agrees(facts)
        else:
            measured, agrees = NOT_RUN, "-"
        lines.append(f"| {row.title} | {row.published} | {measured} | {agrees} |")
    return "\n".join(lines)


def network_table(results: Path) -> str:
    """The experiments that were run with the product's UNet, and with members that memorise."""
    lines = ["| experiment | the product's UNet | agrees | perfect memorisers | agrees |", "|---|---|---|---|---|"]
    for row in ROWS:
        cells, found = [row.title], False
        for network in ("unet", "memoriser"):
            path = results / f"{row.file}_{network}.json"
            if path.exists():
                facts = json.loads(path.read_text(encoding="utf-8"))["results"]
                cells += [row.measured(facts), row.agrees(facts)]
                found = True
            else:
                cells += [NOT_RUN, "-"]
        if found:
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def states_table(results: Path) -> str:
    """Copies by one of the product's UNets at states of its training."""
    lines = ["| works | steps | near copies | memorised | distance to the nearest work |", "|---|---|---|---|---|"]
    path = results / "papers" / "e12_copies_by_steps.json"
    cases = json.loads(path.read_text(encoding="utf-8"))["results"]["cases"] if path.exists() else []
    for case in cases:
        for state in case["states"]:
            cells = [f"{case['works']}", f"{state['steps']:,}", percent(state["near_copies"])]
            cells += [percent(state["memorised"]), f"{state['generated_over_unseen']:.2f} of an unseen digit's"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def lds_table(results: Path) -> str:
    """LDS of the default ranking and the peers per data set; the difference to the best peer."""
    lines = [
        f"| data | images | default | {' | '.join(PEERS.values())} | default minus the best | two trainings of the halves |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for data in ("digits", "emoji", "cifar"):
        path = results / "lds" / f"{data}.json"
        if not path.exists():
            continue
        facts = json.loads(path.read_text(encoding="utf-8"))["results"]
        for queries, words in QUERIES.items():
            best = facts["best_peer"][queries]
            margin = facts["default_minus_peer"][best][queries]
            figures = [
                facts["lds"][ranker][queries] for ranker in ("default", *(facts["peers"][peer] for peer in PEERS))
            ]
            cells = [f"{found['lds']:.1f} {within(found['over_queries'], 0)}" for found in figures]
            against = facts["ceiling"].get(queries)
            cells.append(f"{margin['difference']:+.1f} {within(margin['over_queries'], 1)}")
            cells.append(f"{against['seed_against_seed']:.1f}" if against else "not measured")
            lines.append(f"| {data} | {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def owners_table(results: Path) -> str:
    """How well rankings predict the rightsholder that mattered most, per setting of the peers."""
    path = results / "lds" / "rightsholders.json"
    lines = [
        "| ranking | Spearman | MRR | NDCG@3 | held out: Spearman | MRR | NDCG@3 |",
        "|---|---|---|---|---|---|---|",
    ]
    if not path.exists():
        return "\n".join(lines)
    facts = json.loads(path.read_text(encoding="utf-8"))["results"]
    rows = {"default ranking": facts["grades"]["default"]}
    rows |= {name: found for name, found in facts["grades"].items() if name.split("/")[0] in PEERS}
    half = facts["training_seeds"] // 2
    rows["another training"] = facts["ceiling"]["one_by_another"]
    rows[f"{half} trainings by {facts['training_seeds'] - half} others"] = facts["ceiling"]["half_by_half"]
    for name, found in rows.items():
        cells = [
            f"{found[queries][kind]['mean']:.0f} {within(found[queries][kind]['over_queries'], 0)}"
            for queries in QUERIES
            for kind in ("spearman", "reciprocal_rank", "ndcg_at_3")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES = {
    "figures": table,
    "networks": network_table,
    "states": states_table,
    "peers": lds_table,
    "rightsholders": owners_table,
}
"""By name in the tables' marks."""


def renewed(page: str, name: str, figures: str) -> str:
    """The page with these figures between a table's marks.

    Raises:
        ValueError: the page has no marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    return f"{page[: page.index(begin) + len(begin)]}\n{figures}\n{page[page.index(end) :]}"


def main() -> int:
    """Rewrite the tables, or with ``--check`` return 1 if they differ from the result files."""
    page = wanted = PAGE.read_text(encoding="utf-8")
    for name, made in TABLES.items():
        wanted = renewed(wanted, name, made(RESULTS))
    if "--check" in sys.argv[1:]:
        print("up to date" if wanted == page else "the figures of docs/reproduction.md are not those of the results")
        return int(wanted != page)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
