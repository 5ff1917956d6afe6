"""``creditline members``: list, collect and import members, and train the reference model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.opening import ensemble_named, open_registry
from cli.options import AddressOption, DeviceOption, EngineOption, EnsembleOption, HomeOption, JsonOption
from cli.output import narrate, plural, print_json, print_table, progress_bars
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.storage.tables import Member

members = typer.Typer(
    no_args_is_help=True,
    help="""List, collect and import members, and train the reference model.

    Examples:
        creditline members list
    """,
)


@members.command("list")
def list_members(ensemble: EnsembleOption = None, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List all generations of the members of an ensemble.

    State "in service": not trained on withdrawn works. "out of service": trained on some.
    "replaced": a later generation took its place.

    Examples:
        creditline members list --ensemble 3fa2b1c09d11
    """
    from registry.members.serving import generations_of, service_status

    registry = open_registry(home)
    chosen = ensemble_named(registry, ensemble)
    with registry.session() as session:
        generations = generations_of(session, chosen.id)
    newest = {state.member.id: state.serves for state in service_status(registry, chosen.id).states}
    states = {True: "serves", False: "out of service", None: "replaced"}
    facts = [{**member_facts(each), "state": states[newest.get(each.id)]} for each in generations]
    if as_json:
        print_json("members", {"ensemble": chosen.id, "members": facts})
        return
    rows = [
        (
            fact["id"],
            fact["generation"],
            "in service" if fact["state"] == "serves" else fact["state"],
            fact["works"],
            fact["origin"],
            fact["weights_sha256"][:12],
            fact["manifest_sha256"][:12],
        )
        for fact in facts
    ]
    print_table(("member", "generation", "state", "works", "origin", "weights", "manifest"), rows)


@members.command("collect")
def collect(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FOLDER",
            help="Folders that jobs got as --out, or addresses of their copies (s3://, gs://); may be repeated.",
            show_default=False,
        ),
    ] = None,
    ensemble: EnsembleOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Register the members that jobs of `train --member` have finished.

    Each folder is checked: its files against its manifest, the manifest against the ensemble's
    recipe, the works against the codes. A member that is missing, in training or refused is named
    with the reason, and the command exits with 1. The same command registers the rest later.

    Examples:
        creditline members collect --ensemble 3fa2b1c09d11
        creditline members collect /scratch/run-1 /scratch/run-2
        creditline members collect s3://bucket/run-1
    """
    from attribution.training.finished import collect_members, other_versions
    from cli.addresses import file_of
    from registry.members.serving import service_status

    registry = open_registry(home).patient()
    chosen = ensemble_named(registry, ensemble)
    places = [file_of(registry, each) for each in folders or ()]
    with progress_bars() as progress:
        bar = progress.add_task("members", total=service_status(registry, chosen.id).encoding.n)
        found = []
        for each in collect_members(registry, chosen.id, places):
            found.append(each)
            progress.advance(bar)
    there = [each.member for each in found if each.member is not None]
    differing = other_versions(there)
    if as_json:
        facts = [
            {
                "index": each.index,
                "state": each.state,
                "why": each.why or None,
                "other_versions": differing.get(each.index, {}),
                "member": None if each.member is None else member_facts(each.member),
            }
            for each in found
        ]
        print_json("collect", {"ensemble": chosen.id, "complete": len(there) == len(found), "members": facts})
    else:
        print_table(("member", "state", "why"), [(each.index, each.state, each.why) for each in found])
        for index, versions in differing.items():
            listed = ", ".join(f"{name} {value}" for name, value in versions.items())
            narrate(f"member {index} was trained with {listed}, unlike most members: weights can differ by rounding")
        narrate(f"{len(there)} of {plural(len(found), 'member')} of ensemble {chosen.id} are registered")
    if len(there) < len(found):
        raise typer.Exit(1)


@members.command("import")
def import_members(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folder of a member; may be repeated.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Register members that were trained elsewhere.

    The folder of a member holds config.json, diffusion_pytorch_model.safetensors, manifest.json and
    works.txt. The weights of an adapter may have the name that diffusers or peft gives the file:
    pytorch_lora_weights.safetensors, adapter_model.safetensors. The encoding that the manifest
    names, and the base of an adapter, must be registered here, and the works must be those that the
    encoding assigns to the member.

    Examples:
        creditline members import ../gpu-run/creditline-home/members/*
    """
    from attribution.training.finished import import_member

    registry = open_registry(home)
    facts = [member_facts(import_member(registry, folder)) for folder in folders]
    if as_json:
        print_json("members", {"members": facts})
    else:
        for fact in facts:
            typer.echo(fact["id"])


@members.command("reference")
def train_reference(
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Train the reference model of an ensemble: one model on all works that are not withdrawn.

    Some rankers, such as gradients, use it. It generates no images and does not know the codes.
    After further withdrawals it is out of service, and the same command trains it again. After an
    interruption, the same command continues.

    Examples:
        creditline members reference
        creditline members reference --ensemble 3fa2b1c09d11 --device cpu
    """
    from attribution.engines.device import choose_device
    from attribution.ensemble.recipe import EnsembleSettings
    from attribution.training.reference_model import train_reference_model

    registry = open_registry(home).patient()
    chosen = ensemble_named(registry, ensemble)
    with progress_bars() as progress:
        reading = progress.add_task("reading works", total=None)
        bar = progress.add_task("reference model", total=EnsembleSettings.from_json(chosen.settings).training.steps)
        found = train_reference_model(
            registry,
            chosen.id,
            choose_device(device, 1, engine, address),
            lambda done, works: progress.update(reading, advance=done, total=works),
            lambda steps: progress.advance(bar, steps),
        )
    manifest = found.folder.manifest
    if as_json:
        facts = {
            "ensemble": chosen.id,
            "trained": found.trained,
            "works": manifest.works.count,
            "withdrawn_through": manifest.withdrawn_through,
            "weights_sha256": manifest.weights_sha256,
            "manifest_sha256": manifest.sha256,
            "merkle_root": manifest.works.merkle_root,
        }
        print_json("reference", facts)
        return
    typer.echo(str(found.folder.path))
    done = "trained" if found.trained else "already trained"
    narrate(f"{done} on {manifest.works.count:,} works; next: creditline rankers")


def member_facts(member: Member) -> dict[str, Any]:
    """A member in JSON documents."""
    return {
        "id": member.id,
        "index": member.index,
        "generation": member.generation,
        "withdrawn_through": member.manifest["withdrawn_through"],
        "origin": member.origin,
        "works": member.manifest["works"]["count"],
        "weights_sha256": member.weights_sha256,
        "manifest_sha256": member.manifest_sha256,
    }
