"""``creditline imitate``: how well images that imitate artists are told to be theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import ensemble_named, now, open_registry
from cli.options import AddressOption, DeviceOption, EngineOption, EnsembleOption, HomeOption, JsonOption, WorkersOption
from cli.output import echo, narrate, print_json, print_table, progress_bars
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from rich.progress import TaskID

    from attribution.engines.device import Device
    from registry.imitations.facts import Settings
    from registry.imitations.record import KeptImitation
    from registry.storage.database import Registry

TEXT = "artwork by {artist}"


def imitate(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Images of any generator, in one sub-folder per artist that they are meant to imitate.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="Audit the samples of an ensemble whose prompts name an artist.")
    ] = False,
    by: Annotated[
        str,
        typer.Option("--by", metavar="COLUMN", help="rightsholder, or the column of the works that names the artist."),
    ] = "rightsholder",
    artists: Annotated[
        Path | None,
        typer.Option(
            "--artists",
            metavar="FILE",
            help="CSV with the columns name and artist: the artist that a sub-folder, or a name in prompts, means.",
        ),
    ] = None,
    encoder: Annotated[str, typer.Option("--encoder", metavar="NAME", help="style, mobilenet or open-clip.")] = "style",
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="torchvision's ImageNet weights of MobileNetV2, for style and mobilenet; or set CREDITLINE_MOBILENET.",
        ),
    ] = None,
    text: Annotated[
        str,
        typer.Option("--text", metavar="TEMPLATE", help="With open-clip: the text that stands for an artist."),
    ] = TEXT,
    works: Annotated[
        int, typer.Option("--works", min=3, max=2000, help="Most works of each artist to compare with.")
    ] = 200,
    held_out: Annotated[
        float,
        typer.Option(
            "--held-out", min=0.05, max=0.8, metavar="SHARE", help="Share of the works held out for the ceiling."
        ),
    ] = 0.3,
    distractors: Annotated[
        int, typer.Option("--distractors", min=0, max=1000, help="Most other artists to add, drawn at random.")
    ] = 50,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            min=8,
            max=1024,
            help="Pixels a side at which images and works are compared.",
            show_default="that of the images, at most the encoder's",
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option("--false-discovery-rate", metavar="RATE", min=0.0, max=1.0, help="Largest q of a match.")
    ] = 0.05,
    firm: Annotated[
        int,
        typer.Option(
            "--firm",
            metavar="IMAGES",
            min=0,
            max=24,
            help="Attack the identifications of so many images of each artist, at most 24 in all.",
        ),
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random choices.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Also write the page, the same as JSON, and tables to FOLDER."),
    ] = None,
    show: Annotated[
        str | None,
        typer.Option("--show", metavar="ID", help="Measure nothing; show an audit on record: its id, or newest."),
    ] = None,
    ensemble: EnsembleOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Measure how well images that were made to imitate artists are told to be theirs.

    Each image is identified among all artists by classifiers that learned from the artists'
    registered works; with open-clip also by texts. A rank test says whose images are more like the
    artist's works than the other images are. Real works, held out, give the ceiling.

    Likeness shows resemblance, not that a model was trained on the works. With --samples, the
    members that saw none of an artist's works make the artist's images again from the same seeds.
    The drop is what training on the artist added.

    With --firm, attacks through the encoder look for the smallest change of an image, in grey
    levels, that makes a classifier take it for another artist. Benign changes stand beside it. An
    image takes some seconds to a minute.

    The result is an event of the log. The same audit again finds the first.

    Examples:
        creditline imitate imitations --weights mobilenet_v2-b0353104.pth --out imitation
        creditline imitate imitations --by creator --artists names.csv --encoder open-clip
        creditline imitate --samples --by style --firm 1 --out imitation
        creditline imitate --show newest --json
    """
    from attribution.engines.device import choose_device
    from registry.imitations.facts import Settings
    from registry.imitations.record import named_imitation
    from reports.imitations.document import IMITATION, imitation_facts
    from reports.imitations.words import headline, sentences

    if (folder is not None) + samples + (show is not None) != 1:
        raise UsageError("expected one of FOLDER, --samples and --show ID")
    if "{artist}" not in text:
        raise UsageError(f"--text is {text!r}, expected a text with {{artist}}, such as {TEXT!r}")
    registry = open_registry(home).patient()
    if show is None:
        settings = Settings(
            by=by,
            size=size or 0,
            works_each=works,
            held_out=held_out,
            distractors=distractors,
            text=text if encoder == "open-clip" else "",
            rate=rate,
            seed=seed,
            firm=firm,
        )
        choose = partial(choose_device, device, workers, engine, address)
        kept = _measured(registry, folder, artists, settings, encoder, weights, ensemble, choose)
    else:
        with registry.connection() as connection:
            kept = named_imitation(connection, None if show == "newest" else show)
    if out is not None:
        written = IMITATION.write(registry, kept.facts.id, out, now())
        narrate(f"written to {', '.join(str(path) for path in written.files)}")
    if as_json:
        print_json("imitation", imitation_facts(kept))
        return
    echo(headline(kept.facts))
    for sentence in sentences(kept.facts):
        echo(sentence)
    _print(kept)


def _measured(
    registry: Registry,
    folder: Path | None,
    artists: Path | None,
    settings: Settings,
    encoder: str,
    weights: Path | None,
    ensemble: str | None,
    choose: Callable[[], Device],
) -> KeptImitation:
    """The audit's record: an earlier one of the same, or a new one."""
    from attribution.imitation.encoders import open_encoder
    from attribution.imitation.inputs import images_of_folder, images_of_samples, read_aliases
    from attribution.imitation.run import ImitationAudit
    from registry.imitations.artists import works_of_artists
    from registry.imitations.record import named_imitation, record_imitation, recorded_imitation
    from registry.outputs.queries import samples_of

    aliases = read_aliases(artists)
    with progress_bars() as progress:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], advance=done, total=total)

        with registry.connection() as connection:
            known = works_of_artists(connection, settings.by)
        if folder is not None:
            chosen = None
            audited = images_of_folder(folder, known, aliases, lambda done, total: advance("images", done, total))
        else:
            chosen = ensemble_named(registry, ensemble).id
            with registry.session() as session:
                rows = samples_of(session, chosen)
            audited = images_of_samples(registry.home, chosen, rows, known, aliases)
        opened = open_encoder(encoder, weights)
        audit = ImitationAudit.prepare(registry, audited, known, settings, opened, chosen)
        with registry.connection() as connection:
            kept = recorded_imitation(connection, audit.id)
        if kept is None:
            record_imitation(registry, audit.measure(choose(), advance), now())
        else:
            narrate(f"this audit is on record: event {kept.event:,} of the log")
    with registry.connection() as connection:
        return named_imitation(connection, audit.id)


def _print(kept: KeptImitation) -> None:
    from reports.imitations.page import artist_rows

    rows, legend = artist_rows(kept.facts)
    print_table(
        list(legend), [list(row.values()) for row in rows], legend={name: text for name, text in legend.items() if text}
    )
    for finding in kept.facts.findings:
        narrate(f"finding: {finding}")
    narrate(f"audit {kept.facts.id}; next: creditline imitate --show {kept.facts.id} --out FOLDER")
