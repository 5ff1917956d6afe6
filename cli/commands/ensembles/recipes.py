"""The recipes of ``creditline train``, from its options; what a person should know is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import typer

from cli.output import narrate, plural, progress_bars
from registry.errors import NotFoundError

if TYPE_CHECKING:
    from attribution.denoisers.text_to_image.kind import Adapters
    from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
    from attribution.images import ImageSettings
    from registry.bases.records import BaseRecord
    from registry.storage.database import Registry


def pixels_recipe(
    registry: Registry,
    encoding_id: str,
    image: ImageSettings,
    training: TrainingSettings,
    label: str | None,
    widths: str | None,
    layers: int | None,
    patch: int | None,
    *,
    attention: bool,
) -> EnsembleSettings:
    """Members that are whole networks, trained from noise."""
    from attribution.denoisers.pixels import PixelUNet
    from attribution.ensemble.recipe import EnsembleSettings
    from attribution.training.lifecycle import labels_of

    labels = labels_of(registry, encoding_id, label)
    network = PixelUNet(
        size=image.size,
        channels=image.channels,
        widths=_widths(widths or "32,64"),
        layers_per_block=1 if layers is None else layers,
        attention=attention,
        patch=2 if patch is None else patch,
        class_count=len(labels.classes),
    )
    return EnsembleSettings(
        image=image,
        network=network,
        training=training,
        label_column=label,
        classes=labels.classes,
        labels_sha256=labels.sha256,
    )


def adapters_recipe(
    registry: Registry,
    encoding_id: str,
    base: str,
    image: ImageSettings,
    training: TrainingSettings,
    label: str | None,
    size: int | None,
    rank: int | None,
    target: Literal["attention", "attention+conv"] | None,
    caption_dropout: float | None,
) -> EnsembleSettings:
    """Members that are adapters on a registered base, under its noise schedule.

    Raises:
        NotFoundError: there is no such base, or no work has a caption.
        IntegrityError: a file of the base was changed since it was registered.
        UsageError: a value is outside its range, or the base cannot make images of this size.
    """
    from attribution.denoisers.schedule import schedule_fields
    from attribution.denoisers.text_to_image.kind import Adapters
    from attribution.ensemble.recipe import EnsembleSettings
    from attribution.training.lifecycle import labels_of
    from registry.bases.records import named_base

    with registry.connection() as connection:
        record = named_base(connection, base)
    _verify(registry, record)
    kind = Adapters.on(
        record.facts,
        record.folder,
        rank=16 if rank is None else rank,
        target=target or "attention",
        caption_dropout=0.1 if caption_dropout is None else caption_dropout,
        size=size,
    )
    column = label or "caption"
    try:
        labels = labels_of(registry, encoding_id, column, free_text=True)
    except NotFoundError as error:
        if label is not None:
            raise
        raise NotFoundError(
            "no work of the encoding has a caption: register the works again with captions, or name a column with --label"
        ) from error
    _tell_texts(kind, column, labels.texts)
    _tell_small_works(registry, encoding_id, kind.size, whole=image.fit == "pad")
    return EnsembleSettings(
        image=replace(image, size=kind.size),
        network=kind,
        training=replace(training, **schedule_fields(kind)),
        label_column=column,
        labels_sha256=labels.sha256,
    )


def _verify(registry: Registry, record: BaseRecord) -> None:
    from registry.bases.verification import verify_base

    with progress_bars() as progress:
        task = progress.add_task(f"checking the base {record.name}", total=None)
        verify_base(
            registry.home,
            record,
            every=True,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _tell_texts(kind: Adapters, column: str, texts: tuple[str | None, ...]) -> None:
    """Say how many works have no text, and how many texts the base does not read to their end."""
    missing = sum(text is None for text in texts)
    if missing:
        narrate(f"{missing:,} of {plural(len(texts), 'work')} have no {column}: they train without a text")
    cut = frozenset(kind.cut([text for text in texts if text is not None]))
    if cut:
        count = sum(text in cut for text in texts)
        narrate(f"the {column} of {plural(count, 'work')} is longer than the base reads: the end is cut")


def _tell_small_works(registry: Registry, encoding_id: str, size: int, *, whole: bool) -> None:
    from registry.works.queries import works_smaller_than

    with registry.connection() as connection:
        small = works_smaller_than(connection, encoding_id, size, whole=whole)
    if small:
        narrate(f"{plural(small, 'work')} smaller than the images of {size} pixels a side: enlarged")


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"got --widths {text!r}, expected whole numbers with commas, such as 32,64") from error
