"""``creditline samples``: list the samples of an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.commands.ensembles.sample import sample_facts
from cli.opening import ensemble_named, open_registry
from cli.options import EnsembleOption, HomeOption, JsonOption
from cli.output import print_json, print_table
from registry.home import DEFAULT_HOME


def samples(ensemble: EnsembleOption = None, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the samples of an ensemble.

    Examples:
        creditline samples
        creditline samples --ensemble 3fa2b1c09d11 --json
    """
    from registry.outputs.queries import samples_of

    registry = open_registry(home)
    chosen = ensemble_named(registry, ensemble)
    with registry.session() as session:
        facts = [sample_facts(registry, row) for row in samples_of(session, chosen.id)]
    if as_json:
        print_json("samples", {"ensemble": chosen.id, "samples": facts})
        return
    rows = [
        (
            each["id"],
            each["seed"],
            each["label"],
            _sampler(each["sampler"]),
            each["file"],
        )
        for each in facts
    ]
    print_table(("sample", "seed", "prompt", "sampler", "file"), rows)


def _sampler(stored: Mapping[str, Any]) -> str:
    """Method and steps; guidance and the negative text, if any."""
    told = f"{stored['method']} {stored['steps']}"
    if "serve" in stored:
        told += f", {stored['serve']}"
    if "looks" in stored:
        told += f", {stored['looks']} looks"
    if "guidance" in stored:
        told += f", guidance {stored['guidance']:g}"
    return told + (f", away from {stored['negative']!r}" if "negative" in stored else "")
