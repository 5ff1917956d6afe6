"""The table of `creditline audit` and the page name the same first candidate, on ties too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cli.commands.attribution.audit import strongest
from reports.outputs.facts import Candidate, by_evidence

VALUES = st.lists(st.tuples(st.sampled_from([0.01, 0.02, 0.5]), st.sampled_from([0.05, 0.2])), min_size=1, max_size=6)


@given(values=VALUES)
def test_table_and_page_have_one_first_candidate(values: list[tuple[float, float]]) -> None:
    """Whatever the order in which the candidates come."""
    ranked = [
        Candidate.model_construct(rank=rank, p_value=p, q_value=q, passes=q <= 0.05)
        for rank, (p, q) in enumerate(values, start=1)
    ]
    first = by_evidence(list(reversed(ranked)))[0]
    facts = [{"rank": each.rank, "p": each.p_value, "q": each.q_value} for each in ranked]
    assert strongest(facts)["rank"] == first.rank == by_evidence(ranked)[0].rank
