"""What is tested: does the shortlist of an output hold the work with the prompt's caption?

An audit tests the first units of a list that knows no codes. Lists by several sets of rankers are
compared: how often the work with the prompt's caption is among the first, how many outputs have a
finding (q <= 0.05 over the list, as in an audit), and what ranking an output costs. *Best rank*
merges all orders into one, by the best rank of a work; *in turns*, as in the product, gives every
other place to the rankers by prompt.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from attribution.metrics.statistics import benjamini_hochberg, share_of
from attribution.ranking.encoded_works import EncodedWorks
from attribution.ranking.rankers.captions import Captions
from attribution.ranking.rankers.catalogue import LATENT_RANKERS, make_ranker
from attribution.ranking.rankers.feature_kernel import Embedding
from attribution.ranking.rankers.interface import Ranker
from attribution.ranking.rankers.scan import UnitIndex
from attribution.ranking.shortlist import Order, shared_order, shortlists_for
from benchmarks.text_to_image.adapters import Bench
from benchmarks.text_to_image.outputs import Queries
from benchmarks.text_to_image.power import in_latents, order_of
from benchmarks.text_to_image.ranking import PICTURES, WITH_REFERENCE, inputs_for

LENGTHS = (5, 10, 20)
RECALLED = (1, 5, 10)
FIRST = 5
"""Places of each ranker alone."""
LEVEL = 0.05
IN_TURNS, BEST_RANK = "in turns", "best rank"


def measure(bench: Bench, _embeddings: list[Embedding]) -> dict[str, Any]:
    """All facts of one set."""
    queries = Queries(bench)
    encoded, p_values = encoded_works(queries), p_values_of(queries)
    made = {name: make_ranker(name, inputs_for(queries)) for name in inputs_for(queries, reference=True).default}
    without = inputs_for(queries).default
    lists: dict[str, tuple[str, ...]] = {
        PICTURES: LATENT_RANKERS,
        "captions alone": (Captions.name,),
        "pictures, latents and captions": (*LATENT_RANKERS, Captions.name),
        "default": without,
        WITH_REFERENCE: tuple(made),
    }
    alone = {name: listed(queries, encoded, ranker) for name, ranker in made.items()}
    facts: dict[str, Any] = {"outputs": len(p_values), "lists": {}, "places": {}, "processor_seconds_an_output": {}}
    for name, rankers in lists.items():
        orders = [list(chain.from_iterable(alone[one][0][row] for one in rankers)) for row in range(len(p_values))]
        facts["lists"][name] = {
            sharing: facts_of(queries, p_values, [shared(each, sharing) for each in orders])
            for sharing in (IN_TURNS, BEST_RANK)
        }
        facts["processor_seconds_an_output"][name] = round(sum(alone[one][1] for one in rankers), 3)
    for name, (found, _) in alone.items():
        firsts = [shared(each, IN_TURNS)[:FIRST] for each in found]
        passed = np.stack([p_values[row, first] <= LEVEL for row, first in enumerate(firsts)])
        facts["places"][name] = [share_of(column).to_json() for column in passed.T]
    return facts


def encoded_works(queries: Queries) -> EncodedWorks:
    """The works as an audit has them, each a unit."""
    bench = queries.bench
    count = len(bench.works.works)
    return EncodedWorks(
        source=queries.works_to_rank(bench.folder),
        shape=(3, *queries.images.shape[2:]),
        index=UnitIndex.of(np.arange(count), count),
        paths=[],
        codes=bench.assignment.codes[:count],
        n=bench.sizes.members,
        membership=bench.membership,
        not_testable={},
    )


def p_values_of(queries: Queries) -> Float64[np.ndarray, "output work"]:
    """The p-value of every work for every output. All works are neighbours, in any ranking."""
    bench, count = queries.bench, len(queries.outputs)
    tests, orders = in_latents(bench), order_of(queries.latents[:count], bench.latents)
    every = np.arange(len(bench.latents))
    return np.stack([tests.p_values(one, order, every) for one, order in zip(queries.guided, orders, strict=True)])


def listed(queries: Queries, encoded: EncodedWorks, ranker: Ranker) -> tuple[list[Sequence[Order]], float]:
    """One ranker's orders for every output, and processor seconds an output after the works."""
    count = len(queries.outputs)
    images = queries.images_to_rank()
    images = replace(images, values=images.values[:count], texts=images.texts[:count])
    ranker.prepare(images.part(slice(0, 1)), encoded.source)
    began = time.process_time()
    found = shortlists_for([ranker], encoded, images, (), max(LENGTHS), 1)
    return [one.orders for one in found], (time.process_time() - began) / count


def shared(orders: Sequence[Order], sharing: str) -> Int64[np.ndarray, " place"]:
    """The first works of several orders, shared in a way."""
    if sharing == BEST_RANK:
        orders = [replace(order, by_prompt=False) for order in orders]
    return shared_order(orders, max(LENGTHS))


def facts_of(
    queries: Queries, p_values: Float64[np.ndarray, "output work"], orders: Sequence[Int64[np.ndarray, " place"]]
) -> dict[str, Any]:
    """Recall of the captioned work, and findings, at several lengths."""
    prompted = [(row, one.work) for row, one in enumerate(queries.outputs) if one.work is not None]
    return {
        "recall": {
            str(k): share_of(np.array([work in orders[row][:k] for row, work in prompted])).to_json() for k in RECALLED
        },
        "found": {
            str(k): share_of(
                np.array([passing(p_values[row], order[:k]).any() for row, order in enumerate(orders)])
            ).to_json()
            for k in LENGTHS
        },
        "captioned_work_found": {
            str(k): share_of(
                np.array([work in orders[row][:k][passing(p_values[row], orders[row][:k])] for row, work in prompted])
            ).to_json()
            for k in LENGTHS
        },
    }


def passing(p_values: Float64[np.ndarray, " work"], order: Int64[np.ndarray, " place"]) -> Bool[np.ndarray, " place"]:
    """The listed works with a q at most the level."""
    return np.asarray(benjamini_hochberg(p_values[order]) <= LEVEL)


def held(facts: Mapping[str, Any]) -> bool:
    """Whether ten places hold every captioned work, and as many outputs have a finding."""
    before, now = (facts["lists"][name][IN_TURNS] for name in (PICTURES, "default"))
    return bool(now["recall"]["10"]["share"] == 1.0 and now["found"]["10"]["share"] >= before["found"]["10"]["share"])
