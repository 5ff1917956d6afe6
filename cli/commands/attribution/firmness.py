"""``creditline firmness``: the smallest changes of an image that turn its verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.opening import now, open_registry
from cli.options import AddressOption, DeviceOption, EngineOption, HomeOption, JsonOption, WorkersOption
from cli.output import echo, narrate, print_json, progress_bars
from registry.errors import UsageError
from registry.home import DEFAULT_HOME


def firmness(
    outputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="OUTPUT",
            help="Audited samples or images, or audits: ids or their first digits.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The newest audit of every output.")] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="MobileNetV2's weights, to attack the nearest work by that embedding as well.",
            show_default="the environment variable CREDITLINE_MOBILENET",
        ),
    ] = None,
    retest: Annotated[
        bool, typer.Option("--retest/--no-retest", help="Repeat the test of images from outside on changed copies.")
    ] = True,
    most_checks: Annotated[
        int,
        typer.Option(
            "--most-checks",
            min=1,
            metavar="N",
            help="Changed pictures that each search shows to the whole ranking at most: each costs a pass over all works.",
        ),
    ] = 200,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Measure how firm a verdict is: the smallest change of an image that turns it.

    Attacks by gradients look for the change, in grey levels: of the ranking that orders the
    candidates, of the nearest work by pixels, and of the nearest by an embedding. Beside it stand
    benign changes (JPEG, scaling, one pixel, a cut edge), and the test under the same changes. The
    result is an event of the log.

    Examples:
        creditline firmness 3fa2b1c09d11
        creditline firmness --all --weights mobilenet_v2-b0353104.pth --json
    """
    from attribution.engines.device import choose_device
    from attribution.firmness.run import measure_firmness
    from reports.outputs.selection import named_audits, newest_audits

    if bool(outputs) == every:
        raise UsageError("expected either OUTPUT or --all; `creditline samples` lists the samples")
    registry = open_registry(home).patient()
    registry.check_writable()
    with registry.session() as session:
        audits = [audit.id for audit in (newest_audits(session) if every else named_audits(session, outputs or []))]
    if not audits:
        raise UsageError("no output was audited; run `creditline audit --all`")
    where = choose_device(device, workers, engine, address)
    with progress_bars() as progress:
        task = progress.add_task("attacking", total=len(audits))
        found = measure_firmness(
            registry, audits, where, weights, retest, now, lambda: progress.update(task, advance=1), most_checks
        )
    if as_json:
        print_json("firmness", {"audits": found})
        return
    for facts in found:
        verdicts = [facts["ranking"], *facts["verdicts"]]
        echo(f"{facts['output']}: {' '.join(str(each['sentence']) for each in verdicts)}")
    for said in dict.fromkeys(str(facts["evidence"]["sentence"]) for facts in found):
        narrate(said)
    theorem = found[0]["theorem"]
    narrate(
        f"for comparison, the sensitivity theorem's order of magnitude is {theorem['order_l2']:.0f} grey levels (L2) for images "
        f"of this size, whose space is {theorem['diameter_l2']:.0f} wide. {theorem['conditions']} ({theorem['source']})"
    )
