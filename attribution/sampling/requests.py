"""What is asked of a sample: seed, sampler and prompt, as stored with it and hashed into its id."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from attribution.denoisers.interface import Prompt
from attribution.ensemble.recipe import EnsembleSettings
from attribution.ensemble.serving import ServingEnsemble
from attribution.sampling.predictions import noised_views
from attribution.sampling.schedule import SamplerSettings, schedule_of
from registry.errors import InputError
from registry.ids import canonical_json, content_id
from registry.storage import tables

Item = TypeVar("Item")


@dataclass(frozen=True)
class Request:
    """One sample to generate."""

    seed: int
    prompt: Prompt = field(default_factory=Prompt)


def default_sampler(settings: EnsembleSettings) -> SamplerSettings:
    """The sampler of a request that names none, on the members' training schedule."""
    kind = settings.network
    return replace(
        schedule_of(settings.training),
        method=kind.sampling.method,
        steps=kind.sampling.steps,
        spacing=kind.sampling.spacing,
        offset=kind.sampling.offset,
        clip=not kind.latent,
    )


def usual_looks(settings: EnsembleSettings, sampler: SamplerSettings) -> int:
    """The looks of a sample whose request names none; 0: pairs at every second step.

    Where these are no more than the looks of the kind, as under few steps, they are taken.
    """
    looks = settings.network.sampling.looks
    return looks if looks < len(noised_views(replace(sampler, looks=0))) else 0


def requests_for(seeds: Iterable[int], prompt: Prompt | None = None) -> list[Request]:
    """One request per seed, under one prompt."""
    return [Request(seed, prompt or Prompt()) for seed in seeds]


def stored_request(sampler: SamplerSettings, prompt: Prompt | None) -> dict[str, Any]:
    """The ``label`` and ``sampler`` of a sample's row; :func:`request_of` is the inverse."""
    prompt = prompt or Prompt()
    return {"sampler": sampler.to_json() | prompt.options(), "label": prompt.label}


def request_of(row: tables.Sample) -> tuple[SamplerSettings, Prompt]:
    """The request of a stored sample.

    Raises:
        InputError: the row holds no such request.
        UsageError: a value is outside its range.
    """
    document = dict(row.sampler)
    options = {name: document.pop(name) for name in ("guidance", "negative") if name in document}
    try:
        return SamplerSettings.from_json(document), Prompt(row.label, **options)
    except TypeError as error:
        raise InputError(f"the prompt of sample {row.id} cannot be read: {error}") from error


def batches_to_draw(
    rows: Sequence[tables.Sample], at_once: int
) -> Iterator[tuple[SamplerSettings, list[Request], list[tables.Sample]]]:
    """Samples in batches as they were generated: under one sampler and guidance."""

    def shared(row: tables.Sample) -> str:
        return canonical_json({name: value for name, value in row.sampler.items() if name != "negative"})

    for part in parts(rows, shared, at_once):
        asked = [request_of(row) for row in part]
        yield asked[0][0], [Request(row.seed, prompt) for row, (_, prompt) in zip(part, asked, strict=True)], part


def parts(items: Iterable[Item], shared: Callable[[Item], Hashable], at_once: int) -> Iterator[list[Item]]:
    """Items that share a value, at most ``at_once`` together, in their order."""
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(shared(item), []).append(item)
    for group in groups.values():
        for start in range(0, len(group), at_once):
            yield group[start : start + at_once]


def batches_by_request(
    rows: Sequence[tables.Sample], at_once: int
) -> Iterator[tuple[SamplerSettings, Prompt, list[tables.Sample]]]:
    """Samples in batches under one sampler and prompt, at most ``at_once`` rows each."""
    for part in parts(rows, lambda row: (row.label, canonical_json(row.sampler)), at_once):
        sampler, prompt = request_of(part[0])
        yield sampler, prompt, part


def sample_id_of(ensemble: ServingEnsemble, seed: int, sampler: SamplerSettings, prompt: Prompt | None) -> str:
    """Hash of ensemble, members, seed, sampler and prompt: equal requests are one sample."""
    request = {"ensemble": ensemble.id, "members": ensemble.members_sha256, "seed": seed}
    return content_id("sample", {**request, **stored_request(sampler, prompt)})
