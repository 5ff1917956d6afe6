"""The units with the largest influences on one sample, estimated from its Jacobian.

Where codes are plain and no member was trained again without withdrawn works, a unit's number gives
its code: neither codes nor influences are listed, however many units there are
(:mod:`attribution.ablation.scan.dealt`). Elsewhere the codes are read and searched.

Each unit has a p-value: the share of codes of no unit, itself included, with an estimate at least
as large. It is exact over all such codes where they can be searched, and over a draw of them
otherwise. It says how unusual the influence of a code is among the codes. It is no evidence of a
source: influence has no direction (``docs/method.md``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from attribution.ablation.influence import gram
from attribution.ablation.scan.form import QuadraticForm
from attribution.audit.worker import jacobian_file, load_jacobian
from attribution.engines.device import Device
from attribution.ensemble.serving import ServingEnsemble, ensembles_that_served
from attribution.metrics.euclidean import euclidean_scale
from registry.basis.p_values import exact_p_values
from registry.encodings.assignment import Decoys
from registry.encodings.codes import decoys, decoys_available
from registry.encodings.keys import FIRST_FORMAT
from registry.encodings.store import load_codes
from registry.encodings.words import words_of_bits
from registry.errors import NotFoundError, UsageError
from registry.members.seen import units_seen, withdrawn_works
from registry.storage import tables
from registry.storage.database import Registry

if TYPE_CHECKING:
    from attribution.ablation.scan.dealt import DealtSearch
    from attribution.ablation.scan.search import Largest

DECOYS = 20_000
"""Codes of no unit that are drawn where not all are searched."""
DECOY_SEED = 0
MOST = 1_000_000
"""Units to find, at most: more are a table of all units, which an audit lists."""
COMPARED_AT_ONCE = 512
"""Units compared with drawn codes together: 80 MiB at most."""


@dataclass(frozen=True, eq=False)
class LargestInfluences:
    """Units by falling influence; equals by number."""

    numbers: Int64[np.ndarray, " unit"]
    influence: Float64[np.ndarray, " unit"]
    p_value: Float64[np.ndarray, " unit"] | None
    """None: every code has a unit."""
    compared: int
    """Codes of no unit that each was compared with."""
    exhaustive: bool
    """Whether these are all there are."""


def largest_influences(
    registry: Registry,
    audit: tables.Audit,
    k: int,
    device: Device | None = None,
    on_progress: Callable[[int, int], object] = lambda _done, _all: None,
) -> LargestInfluences:
    """The k units, or all if they are fewer, with the largest estimates on an audit's sample.

    ``device``: where codes are made and searched in blocks, if they must be; None: in this process.
    ``on_progress`` then gets (units done, units in all). Codes that are stored are
    searched in this process: to send them would take longer.

    Raises:
        UsageError: the audit is of an outside image or was run without the Jacobian; or k is below
            1 or above :data:`MOST`.
        NotFoundError: the registry lacks the members that served.
        IntegrityError: the Jacobian is missing or unreadable.
    """
    if not 1 <= k <= MOST:
        raise UsageError(f"got {k:,} units to find, expected 1 to {MOST:,}")
    ensemble = _ensemble_of(registry, audit)
    members = (audit.settings or {}).get("jacobian_members")
    columns = load_jacobian(jacobian_file(registry.home, str(audit.sample_id), members))
    gramian = gram(columns[None])[0].numpy()
    with registry.session() as session:
        made = session.get(tables.EncodingCodes, ensemble.encoding.id)
        encoding = session.get_one(tables.Encoding, ensemble.encoding.id)
    plain = made is None or made.within is None
    as_encoded = all(through is None for through in ensemble.withdrawals_applied_through)
    if plain and as_encoded:
        code_format = FIRST_FORMAT if made is None else made.code_format
        form = QuadraticForm.of_gram(gramian, encoding.n, ensemble.indices)
        search = _search(encoding, code_format, form.mask, device, on_progress)
        found = _of_numbers(search, form, k)
    else:
        found = of_stored(registry, ensemble, QuadraticForm.of_gram(gramian), k)
    largest, p_value, compared, exhaustive = found
    influence = np.sqrt(largest.values) * euclidean_scale(columns[0].numel())
    return LargestInfluences(largest.numbers, influence, p_value if compared else None, compared, exhaustive)


def _ensemble_of(registry: Registry, audit: tables.Audit) -> ServingEnsemble:
    estimated = ((audit.landscape or {}).get("estimate") or {}).get("radius") is not None
    if audit.sample_id is None or not estimated:
        raise UsageError(
            f"audit {audit.id} has no estimates of influence: audit a sample, without --no-jacobian, and ask again"
        )
    with registry.session() as session:
        sample = session.get(tables.Sample, audit.sample_id)
    served = None if sample is None else ensembles_that_served(registry, [sample])[0][0]
    if served is None:
        raise NotFoundError(f"the registry lacks the members that served sample {audit.sample_id}")
    return served


Found = tuple["Largest", Float64[np.ndarray, " unit"], int, bool]


def _search(
    encoding: tables.Encoding,
    code_format: int,
    serving: int,
    device: Device | None,
    on_progress: Callable[[int, int], object],
) -> DealtSearch:
    from attribution.ablation.scan.dealt import Dealt
    from attribution.ablation.scan.spread import SpreadSearch

    dealt = Dealt(encoding.seed, encoding.n, encoding.h, encoding.unit_count, code_format)
    return SpreadSearch(dealt, serving, device, on_progress)


def _of_numbers(search: DealtSearch, form: QuadraticForm, k: int) -> Found:
    """Units whose numbers give their codes."""
    from attribution.ablation.scan.index import LONGEST_LAW

    dealt, largest = search.dealt, search.largest(form, k)
    code_format = dealt.code_format
    available = decoys_available(dealt.n, dealt.h, dealt.units, code_format)
    if dealt.n <= LONGEST_LAW and len(form.serving) == dealt.n:
        as_large = search.unused_with_at_least(form, largest.values * (1.0 - 1e-9))
        if as_large is not None:
            return largest, (1.0 + as_large) / (1.0 + available), available, True
    drawn = decoys(dealt.seed, dealt.n, dealt.h, dealt.units, DECOYS, draw_seed=DECOY_SEED, code_format=code_format)
    served = drawn & np.uint64(form.mask)
    values = form.values(drawn[(served != 0) & (served != np.uint64(form.mask))])
    p_value = np.empty(len(largest.values))
    for start in range(0, len(p_value), COMPARED_AT_ONCE):
        part = largest.values[start : start + COMPARED_AT_ONCE]
        p_value[start : start + len(part)] = exact_p_values(part, np.broadcast_to(values, (len(part), len(values))))
    return largest, p_value, len(values), available <= DECOYS


def of_stored(registry: Registry, ensemble: ServingEnsemble, form: QuadraticForm, k: int) -> Found:
    """Units whose members must be read; each with the decoys of its own support."""
    from attribution.ablation.scan.index import group_codes
    from attribution.ablation.scan.search import CodeSearch

    units = load_codes(registry, ensemble.encoding.id)
    with registry.connection() as connection:
        withdrawn = withdrawn_works(connection, ensemble.encoding.id)
    membership = units_seen(units, withdrawn, ensemble.indices, ensemble.withdrawals_applied_through)
    grouped = group_codes(words_of_bits(membership), form.n, form.mask)
    largest = CodeSearch(form, grouped).largest(k)
    p_value, drawn = np.empty(len(largest.numbers)), []
    for start in range(0, len(p_value), COMPARED_AT_ONCE):
        part = slice(start, start + COMPARED_AT_ONCE)
        found: Decoys = units.assignment.decoys(largest.numbers[part], DECOYS, DECOY_SEED, ensemble.indices)
        words = np.broadcast_to(found.words, (len(largest.numbers[part]), found.count))
        served = words_of_bits(ensemble.membership_of(words.ravel()))
        p_value[part] = exact_p_values(largest.values[part], form.values(served).reshape(words.shape))
        drawn.append((found.count, found.count == found.available))
    counts, exhaustive = zip(*drawn, strict=True) if drawn else ((0,), (False,))
    return largest, p_value, min(counts), all(exhaustive)
