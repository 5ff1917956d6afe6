"""``creditline ablate``: generate a sample again without some units."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.attribution.lpips import LpipsFileOption, LpipsOption, load_lpips, narrate_not_measured
from cli.opening import open_registry
from cli.options import AddressOption, DeviceOption, EngineOption, HomeOption, JsonOption
from cli.output import echo, narrate, print_json, progress_bars
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

MOST_NAMED = 8
"""Units that the narration names."""


def ablate(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Sample: id or its first digits.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="PNG file to write.")],
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="UNIT", help="Unit to leave out: id or exact label; may be repeated."),
    ] = None,
    rightsholder: Annotated[
        str | None,
        typer.Option("--rightsholder", metavar="NAME", help="Rightsholder, all of whose works are left out."),
    ] = None,
    lpips: LpipsOption = None,
    lpips_file: LpipsFileOption = None,
    device: DeviceOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Generate a sample again without given units.

    Only the members that were trained on none of these units generate it. Where codes nest, members
    are left for every rightsholder (`creditline encode --within rightsholder`).

    Examples:
        creditline ablate 3fa2b1c09d11 --without "Red apple" --out without-apple.png
        creditline ablate 3fa2b1c09d11 --without 4 --without 17 --out without-both.png
        creditline ablate 3fa2b1c09d11 --rightsholder "Ada Example" --out without-ada.png
    """
    from attribution.ablation.joint import ablate_sample
    from attribution.engines.device import choose_device
    from attribution.metrics.euclidean import NotMeasured
    from registry.home import write_bytes_atomically
    from registry.works.lookup import resolve_rightsholder

    if not without and rightsholder is None:
        raise UsageError("expected --without or --rightsholder: nothing is named to leave out")
    registry = open_registry(home)
    with registry.connection() as connection:
        holder = None if rightsholder is None else resolve_rightsholder(connection, rightsholder)
    with progress_bars() as progress:
        perceptual = load_lpips(progress, lpips, lpips_file)
    found = ablate_sample(
        registry, sample, without or [], choose_device(device, 1, engine, address), perceptual, holder
    )
    write_bytes_atomically(out, found.png)
    if as_json:
        facts = {"sample": found.sample_id, "without": list(found.labels), "members": list(found.survivors)}
        measured = found.lpips.to_json() if isinstance(found.lpips, NotMeasured) else found.lpips
        print_json("ablate", {**facts, "influence": found.influence, "lpips": measured, "file": str(out)})
        return
    echo(out)
    named = _in_words(found.labels, rightsholder)
    narrate(
        f"{len(found.survivors)} members were trained on none of {named}; the influence on the output is "
        f"{found.influence:.1f} (scaled Euclidean distance; black to white is 443.4)"
        + ("" if isinstance(found.lpips, NotMeasured) else f", {found.lpips:.3f} as LPIPS")
    )
    narrate_not_measured(lpips, found.lpips)


def _in_words(labels: tuple[str, ...], rightsholder: str | None) -> str:
    named = ", ".join(labels[:MOST_NAMED]) + (
        f" and {len(labels) - MOST_NAMED:,} more" if len(labels) > MOST_NAMED else ""
    )
    return named if rightsholder is None else f"the works of {rightsholder} ({named})"
