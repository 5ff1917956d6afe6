"""The recipe of an ensemble, as one value that is stored, hashed into its id and read back."""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from attribution.denoisers.interface import DenoiserKind, Prompt
from attribution.denoisers.pixels import PixelUNet
from attribution.denoisers.schedule import Betas, check_schedule
from attribution.denoisers.space import Condition
from attribution.denoisers.text_to_image.kind import Adapters
from attribution.images import ImageSettings
from registry.errors import InputError, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from registry.storage.database import Registry
    from registry.storage.tables import Ensemble

Precision = Literal["float32", "bfloat16"]
KINDS: dict[str, type[DenoiserKind]] = {PixelUNet.name: PixelUNet, Adapters.name: Adapters}
"""The kinds of denoiser that a recipe may name."""
DEFAULT_KIND = PixelUNet.name
"""The kind of a recipe that names none. It is never written, so older recipes keep their ids."""


@dataclass(frozen=True)
class TrainingSettings:
    """How each member is trained: AdamW on the noise error; the rate rises, then falls to 0.

    Raises:
        UsageError: a value is outside its range.
    """

    steps: int = 2000
    batch_size: int = 16
    """Works per step."""
    learning_rate: float = 6e-3
    warmup_steps: int = 30
    snr_cap: float = 5.0
    """gamma of the min-SNR weighting (Hang et al. 2023): the squared error is weighted by min(SNR,
    gamma) / SNR, which moves effort from nearly clean steps to steps that decide on the picture.
    0: the plain squared error."""
    common_draws: bool = True
    """Whether all members share start, timesteps and noise, so that only their works differ."""
    common_works: bool = True
    """Whether all members that saw a work draw it at the same steps, see
    :func:`attribution.training.draws.draw_works`; requires common draws."""
    seed: int = 0
    train_steps: int = 1000
    """T: length of the noise schedule."""
    beta_start: float = 1e-4
    beta_end: float = 0.02
    beta_schedule: Betas = "linear"
    accumulation: int = 1
    """Passes per step: each takes its part of the batch, and their gradients are added, so that a
    large batch fits into memory. It changes weights by rounding."""
    precision: Precision = "float32"
    """Of the layers' arithmetic, forwards and backwards; weights, loss and moments are float32.
    bfloat16 has 8 bits of fraction and is faster on processors that multiply it directly."""

    def __post_init__(self) -> None:
        whole = (self.steps, self.batch_size, self.warmup_steps, self.seed, self.train_steps, self.accumulation)
        flags = (self.common_draws, self.common_works)
        if any(type(number) is not int for number in whole) or not all(type(flag) is bool for flag in flags):
            raise UsageError("training steps, batch size, seed and schedule length must be whole numbers")
        check_schedule(self)
        if self.steps < 1 or self.batch_size < 1 or self.warmup_steps < 0:
            raise UsageError("training steps and batch size must be at least 1, warm-up steps at least 0")
        if not 1 <= self.accumulation <= self.batch_size:
            raise UsageError(
                f"{self.accumulation} passes for a batch of {self.batch_size} works: choose 1 to {self.batch_size}"
            )
        if self.precision not in get_args(Precision):
            raise UsageError(f"got the precision {self.precision!r}, expected {' or '.join(get_args(Precision))}")
        if not 0 < self.learning_rate < 1:
            raise UsageError(f"learning rate {self.learning_rate}: choose a number between 0 and 1")
        if not 0 <= self.snr_cap < math.inf:
            raise UsageError(
                f"cap of the signal-to-noise ratio {self.snr_cap}: choose a number from 0; 0: equal weights"
            )
        if self.common_works and not self.common_draws:
            raise UsageError("members that draw the same works also share timesteps and noise: set common_draws too")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"training seed {self.seed}: choose a whole number from 0 to {2**63 - 1}")

    def to_json(self) -> dict[str, Any]:
        """The settings, as stored with an ensemble."""
        return stored_fields(self, LATER_TRAINING_FIELDS)


LATER_TRAINING_FIELDS = frozenset({"beta_schedule", "accumulation", "precision"})
"""Fields that are stored only with another value than the default, so that earlier ids stay."""


def stored_fields(settings: DataclassInstance, later: Collection[str]) -> dict[str, Any]:
    """The fields of a dataclass; those in ``later`` only where they differ from their default."""
    defaults = {field.name: field.default for field in fields(settings)}
    return {name: value for name, value in asdict(settings).items() if name not in later or value != defaults[name]}


@dataclass(frozen=True)
class EnsembleSettings:
    """The recipe: everything that determines the members, except the works.

    Raises:
        UsageError: the parts contradict each other.
    """

    image: ImageSettings = field(default_factory=ImageSettings)
    network: DenoiserKind = field(default_factory=PixelUNet)
    """The kind of denoiser, with its fields."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    label_column: str | None = None
    """The works' column that conditions the members; None for unconditional members."""
    classes: tuple[str, ...] = ()
    """The column's values: class number k means ``classes[k]``. Empty: labels are free text."""
    labels_sha256: str | None = None
    """Hash over every work's SHA-256 and label, the same for all members."""

    def __post_init__(self) -> None:
        conditional = self.label_column is not None
        listed = conditional and not self.network.open_labels
        if (bool(self.classes), self.labels_sha256 is not None) != (listed, conditional):
            raise UsageError("a label column, its classes and the hash of the labels go together")
        self.network.check(self.image, self.classes, self.training)

    def to_json(self) -> dict[str, Any]:
        """The settings, as stored with an ensemble and in every manifest."""
        kind = self.network.name
        return {
            **({} if kind == DEFAULT_KIND else {"kind": kind}),
            "image": self.image.to_json(),
            "network": self.network.to_json(),
            "training": self.training.to_json(),
            "label_column": self.label_column,
            "classes": list(self.classes),
            "labels_sha256": self.labels_sha256,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> EnsembleSettings:
        """Read stored settings back.

        Raises:
            InputError: a field is missing, unknown or of the wrong type.
        """
        kind = document.get("kind", DEFAULT_KIND)
        expected = {part.name for part in fields(cls)} | ({"kind"} if kind != DEFAULT_KIND else set())
        if set(document) != expected:
            raise InputError(f"ensemble settings have fields {sorted(document)}, expected {sorted(expected)}")
        if kind not in KINDS:
            raise InputError(f"ensemble settings name the kind {kind!r}, expected one of {', '.join(sorted(KINDS))}")
        try:
            training = TrainingSettings(**document["training"])
            if set(training.to_json()) != set(document["training"]):
                raise InputError(
                    f"training settings have fields {sorted(document['training'])}, expected {sorted(training.to_json())}"
                )
            return cls(
                image=ImageSettings(**document["image"]),
                network=KINDS[kind].from_json(document["network"]),
                training=training,
                label_column=document["label_column"],
                classes=tuple(str(value) for value in document["classes"]),
                labels_sha256=document["labels_sha256"],
            )
        except TypeError as error:
            raise InputError(f"ensemble settings cannot be read: {error}") from error

    @classmethod
    def of(cls, registry: Registry, ensemble: Ensemble, *, training: bool = False) -> EnsembleSettings:
        """The recipe of a registered ensemble, ready to run here.

        ``training``: see :meth:`attribution.denoisers.interface.DenoiserKind.located`.

        Raises:
            InputError: the stored recipe cannot be read.
            NotFoundError: the registry has no such base.
            IntegrityError: a file of the base was changed or is missing.
        """
        return cls.from_json(ensemble.settings).located(registry, training=training)

    def located(self, registry: Registry, *, training: bool = False) -> EnsembleSettings:
        """This recipe, ready to run here. Raises as :meth:`of` does."""
        return replace(self, network=self.network.located(registry, training=training))

    def condition(self, prompt: Prompt | None, rows: int = 1, device: str = "cpu") -> Condition | None:
        """One prompt as the condition of ``rows`` rows, see :meth:`conditions`."""
        return self.conditions([prompt] * rows, device)

    def conditions(self, prompts: Sequence[Prompt | None], device: str = "cpu") -> Condition | None:
        """The condition of a batch, a row per prompt; None for an unconditional ensemble.

        Raises:
            UsageError: a prompt names an unknown class, is missing where one is needed, or is given
                to an unconditional ensemble; or the kind cannot follow it.
        """
        # The kind may embed texts, so each distinct prompt is given once.
        distinct = list(dict.fromkeys(prompt or Prompt() for prompt in prompts))
        for prompt in distinct:
            self._check_label(prompt.label)
        found = self.network.condition(distinct, self.classes)
        place = {prompt: number for number, prompt in enumerate(distinct)}
        rows = torch.tensor([place[prompt or Prompt()] for prompt in prompts], dtype=torch.int64)
        return None if found is None else found[rows].to(device)

    def _check_label(self, label: str | None) -> None:
        if self.label_column is None and label is not None:
            raise UsageError(
                f"got the prompt {label!r}, but this ensemble has no classes and no captions: leave --prompt out"
            )
        if self.classes and label not in self.classes:
            known = ", ".join(self.classes[:8]) + (", …" if len(self.classes) > 8 else "")
            got = "no prompt" if label is None else f"the prompt {label!r}"
            raise UsageError(
                f"got {got}, but this ensemble is conditional on {self.label_column!r}: choose one of {known}"
            )


def versions_of(device: str) -> dict[str, str]:
    """Versions and kind of machine, without which a result cannot be repeated."""
    return {
        "creditline": version("creditline"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": version("diffusers"),
        "numpy": version("numpy"),
        "platform": f"{sys.platform}-{platform.machine()}",
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
    }
