"""Searches of all codes give the answers of a sort of all values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from attribution.ablation.scan import index, search
from attribution.ablation.scan.dealt import Dealt, DealtSearch
from attribution.ablation.scan.form import QuadraticForm
from attribution.ablation.scan.index import LONGEST_LAW, group_codes, group_law
from attribution.ablation.scan.search import CodeSearch, Largest
from attribution.audit.largest import _of_numbers
from registry.encodings.codes import capacity, codes_of
from registry.encodings.words import Words, bits
from registry.errors import CapacityError, UsageError

SHORT, LONG = st.integers(2, 14), st.integers(15, 64)


@pytest.fixture(autouse=True, scope="module")
def _small_groups_and_waves() -> Iterator[None]:
    """Few codes have as many groups and waves as many codes would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "CODES_OF_A_GROUP", 4)
        patch.setattr(search, "FIRST_WAVE", 8)
        yield


@st.composite
def grams(draw: st.DrawFn, members: int) -> NDArray[np.float64]:
    """Gram matrices: of small whole numbers, where values tie, or any; of low or full rank; of
    members alike or of very different size.
    """
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    rank, scale = draw(st.integers(1, members + 3)), 10.0 ** draw(st.sampled_from([-90, -6, 0, 6, 90]))
    whole = generator.integers(-1, 2, (members, rank)).astype(np.float64)
    columns = whole if draw(st.booleans()) else generator.normal(size=(members, rank)) * scale
    if draw(st.booleans()):
        columns = columns * 10.0 ** generator.integers(-8, 9, (members, 1))
    return columns @ columns.T


@st.composite
def forms(draw: st.DrawFn, sizes: st.SearchStrategy[int]) -> QuadraticForm:
    """Forms with all members in service, or some."""
    n = draw(sizes)
    serving = sorted(draw(st.sets(st.integers(0, n - 1), min_size=1))) if draw(st.booleans()) else list(range(n))
    return QuadraticForm.of_gram(draw(grams(len(serving))), n, serving)


@st.composite
def stored(draw: st.DrawFn, n: int) -> Words:
    """Codes of one weight or of all, with repeats, or none at all."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(0, 200))
    weights = generator.integers(0, n + 1, count) if draw(st.booleans()) else np.full(count, draw(st.integers(0, n)))
    chosen = generator.random((count, n)).argsort(axis=1) < weights[:, None]
    words: Words = (chosen.astype(np.uint64) << np.arange(n, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
    return words[generator.integers(0, count, count)] if count and draw(st.booleans()) else words


def by_brute_force(form: QuadraticForm, codes: Words) -> NDArray[np.float64]:
    """The definition, c' G c / (n - s)^2, over the members in service."""
    seen = bits(codes, form.n)[:, list(form.serving)].astype(np.float64)
    ones, members = seen.sum(axis=1, keepdims=True), len(form.serving)
    centred = seen - ones / members
    gram = form.matrix[np.ix_(form.serving, form.serving)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.einsum("ui,ij,uj->u", centred, gram, centred) / (members - ones[:, 0]) ** 2)


def sorted_largest(values: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """The numbers of the k largest values, equals by number."""
    there = np.flatnonzero(~np.isnan(values))
    return there[np.lexsort((there, -values[there]))][:k]


def check(found: Largest, codes: Words, values: NDArray[np.float64], k: int) -> None:
    """The search found the units that the sort finds."""
    wanted = sorted_largest(values, k)
    assert found.complete
    assert found.numbers.tolist() == wanted.tolist()
    assert found.values.tolist() == values[wanted].tolist()
    assert found.codes.tolist() == codes[wanted].tolist()


def check_stored(form: QuadraticForm, codes: Words, k: int, wanted: Sequence[int]) -> None:
    """Values, the largest, and counts, of stored codes."""
    values = form.values(codes, 16)
    size = float(np.abs(form.matrix).sum()) + 1e-300
    assert values == pytest.approx(
        np.maximum(by_brute_force(form, codes), 0.0), rel=1e-9, abs=1e-12 * size, nan_ok=True
    )
    searched = CodeSearch(form, group_codes(codes, form.n, form.mask))
    check(searched.largest(k), codes, values, k)
    if not wanted:
        return
    there = values[~np.isnan(values)]
    thresholds = np.array([there[place % len(there)] for place in wanted] if len(there) else [], dtype=np.float64)
    counted = searched.count(thresholds)
    assert counted is not None
    assert counted.tolist() == [int((there >= each).sum()) for each in thresholds]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), forms(SHORT), st.integers(1, 250))
def test_stored_codes(data: st.DataObject, form: QuadraticForm, k: int) -> None:
    """Ties, repeats of a code, any weights, members out of service, more asked for than exist."""
    check_stored(form, data.draw(stored(form.n)), k, [])


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), forms(SHORT), st.integers(1, 250), st.lists(st.integers(0, 199), max_size=4))
def test_counts_of_stored_codes(data: st.DataObject, form: QuadraticForm, k: int, wanted: list[int]) -> None:
    """How many have a value as large."""
    check_stored(form, data.draw(stored(form.n)), k, wanted)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), forms(LONG), st.integers(1, 250), st.lists(st.integers(0, 199), max_size=4))
def test_stored_codes_of_many_members(data: st.DataObject, form: QuadraticForm, k: int, wanted: list[int]) -> None:
    """The same up to 64 members, where tails have more than two parts."""
    check_stored(form, data.draw(stored(form.n)), k, wanted)


@st.composite
def laws(draw: st.DrawFn, sizes: st.SearchStrategy[int]) -> Dealt:
    """Laws of both formats, with complements or without, full or with few units."""
    n = draw(sizes)
    h, code_format = draw(st.integers(1, n - 1)), draw(st.sampled_from([1, 2]))
    most = min(capacity(n, h, code_format), 3000)
    return Dealt(draw(st.integers(-(2**63), 2**63 - 1)), n, h, draw(st.integers(0, most)), code_format)


def check_dealt(dealt: Dealt, form: QuadraticForm, k: int) -> None:
    """By either way, and with the counts of codes of no unit."""
    codes = codes_of(dealt.seed, dealt.n, dealt.h, np.arange(dealt.units), dealt.code_format)
    assert dealt.codes(0, dealt.units).tolist() == codes.tolist()
    values, search = form.values(codes), DealtSearch(dealt, form.mask)
    check(search.largest(form, k), codes, values, k)
    check(search.largest_of_made(form, k), codes, values, k)
    check(CodeSearch(form, search.law, dealt.loops(dealt.units)).largest(k), codes, values, k)
    every = form.values(codes_of(dealt.seed, dealt.n, dealt.h, np.arange(dealt.capacity), dealt.code_format))
    thresholds = values[sorted_largest(values, 3)]
    assert search.with_at_least(form, thresholds).tolist() == [int((every >= each).sum()) for each in thresholds]
    unused = every[dealt.units :]
    counted = search.unused_with_at_least(form, thresholds)
    assert counted is not None
    assert counted.tolist() == [int((unused >= each).sum()) for each in thresholds]


def test_codes_are_not_counted_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all codes are as large as the last of all units: codes are then drawn to compare with,
    and p is the same where all can be drawn.
    """
    dealt, draw = Dealt(1, 12, 6, 50), np.random.default_rng(0).normal(size=(12, 30))
    form = QuadraticForm.of_gram(draw @ draw.T)
    search = DealtSearch(dealt, form.mask)
    largest, p_value, compared, exhaustive = _of_numbers(search, form, 50)
    assert exhaustive
    monkeypatch.setattr("attribution.ablation.scan.dealt.COUNTED", 200)
    assert search.unused_with_at_least(form, largest.values) is None
    assert search.unused_with_at_least(form, largest.values[:1]) is not None
    again = _of_numbers(search, form, 50)
    assert again[0].numbers.tolist() == largest.numbers.tolist()
    np.testing.assert_allclose(again[1], p_value)
    assert again[2:] == (compared, True)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), laws(st.integers(2, 12)), st.integers(1, 40))
def test_units_dealt_by_number(data: st.DataObject, dealt: Dealt, k: int) -> None:
    """Units without a list of codes, all members in service or some."""
    serving = sorted(data.draw(st.sets(st.integers(0, dealt.n - 1), min_size=1)))
    if data.draw(st.booleans()):
        serving = list(range(dealt.n))
    check_dealt(dealt, QuadraticForm.of_gram(data.draw(grams(len(serving))), dealt.n, serving), k)


def test_a_law_that_needs_too_many_look_ups_is_searched_code_by_code() -> None:
    """Every value is equal, so no bound rules out a group and every word must be looked up."""
    dealt = Dealt(3, 12, 5, 700, 2)
    form = QuadraticForm.of_gram(np.eye(12))
    search = DealtSearch(dealt, form.mask)
    assert not CodeSearch(form, search.law, dealt.loops(dealt.units)).largest(5, patience=10).complete
    codes = codes_of(3, 12, 5, np.arange(700), 2)
    check(search.largest_of_made(form, 5), codes, form.values(codes), 5)


@pytest.mark.slow
@pytest.mark.parametrize("h", [24, 25])
def test_a_law_that_is_too_long_is_searched_code_by_code(h: int) -> None:
    """Fifty members, with complements and without."""
    dealt = Dealt(1, 50, h, 3000, 2)
    columns = np.random.default_rng(1).normal(size=(50, 9))
    form, codes = QuadraticForm.of_gram(columns @ columns.T), codes_of(1, 50, h, np.arange(3000), 2)
    check(DealtSearch(dealt, form.mask).largest(form, 20), codes, form.values(codes), 20)


@pytest.mark.slow
def test_a_million_units_of_twenty_six_members() -> None:
    """Real sizes of groups and waves, a law of 10 million words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "CODES_OF_A_GROUP", 1024)
        patch.setattr(search, "FIRST_WAVE", 1 << 16)
        dealt = Dealt(7, 26, 12, 1_000_000, 2)
        columns = np.random.default_rng(1).normal(size=(26, 300))
        form = QuadraticForm.of_gram(columns @ columns.T)
        codes = dealt.codes(0, dealt.units)
        values = form.values(codes)
        check(CodeSearch(form, group_codes(codes, 26, form.mask)).largest(100), codes, values, 100)
        check(DealtSearch(dealt, form.mask).largest(form, 100), codes, values, 100)


def test_no_more_units_are_looked_for_than_there_are() -> None:
    """Whatever number is asked for: nothing of its size is reserved. Of no units, none is found."""
    form = QuadraticForm.of_gram(np.diag([4.0, 3.0, 2.0, 1.0]))
    codes = np.array([3, 5, 5, 15], dtype=np.uint64)
    check(CodeSearch(form, group_codes(codes, 4, form.mask)).largest(10**15), codes, form.values(codes), 10**15)
    dealt = Dealt(0, 4, 2, 3, 2)
    codes = codes_of(0, 4, 2, np.arange(3), 2)
    search = DealtSearch(dealt, form.mask)
    check(search.largest(form, 10**15), codes, form.values(codes), 10**15)
    check(search.largest_of_made(form, 10**15), codes, form.values(codes), 10**15)
    none = np.empty(0, dtype=np.uint64)
    check(CodeSearch(form, group_codes(none, 4, form.mask)).largest(2), none, np.empty(0), 2)


def test_many_units_are_found_among_values_that_come_in_any_order() -> None:
    """Half of all units, with ties, some as good as the last of them."""
    codes = Dealt(2, 16, 7, 3000, 2).codes(0, 3000)
    columns = np.random.default_rng(4).integers(-1, 2, (16, 5)).astype(np.float64)
    form = QuadraticForm.of_gram(columns @ columns.T)
    values = form.values(codes)
    assert len(np.unique(values)) < len(values) / 4
    check(CodeSearch(form, group_codes(codes, 16, form.mask)).largest(1500), codes, values, 1500)


def test_what_cannot_be_searched_is_refused() -> None:
    """A matrix with NaN, no unit asked for, a code of another length, a law too long to search."""
    form = QuadraticForm.of_gram(np.eye(4))
    codes = np.array([3, 5], dtype=np.uint64)
    with pytest.raises(UsageError, match="at least 1"):
        CodeSearch(form, group_codes(codes, 4, form.mask)).largest(0)
    with pytest.raises(UsageError, match="finite"):
        CodeSearch(QuadraticForm.of_gram(np.full((4, 4), np.nan)), group_codes(codes, 4, 15))
    with pytest.raises(UsageError, match="4 bits"):
        group_codes(np.array([16], dtype=np.uint64), 4, 15)
    with pytest.raises(CapacityError, match=f"at most {LONGEST_LAW}"):
        group_law(LONGEST_LAW + 1, 3, (1 << LONGEST_LAW + 1) - 1)
    with pytest.raises(CapacityError, match="7 units"):
        Dealt(0, 4, 2, 7)
    with pytest.raises(UsageError, match="row and a column"):
        QuadraticForm.of_gram(np.eye(3), 4, [0, 1])


def test_a_matrix_without_numbers_gives_values_without_numbers() -> None:
    """A Jacobian that is no number is no influence of 0."""
    assert np.isnan(QuadraticForm.of_gram(np.full((4, 4), np.nan)).values(np.array([3], dtype=np.uint64))).all()
