"""The interface between a kind of denoiser and everything that trains, samples and audits it.

A kind is a frozen dataclass: its fields are the ``network`` of an ensemble's recipe, stored as JSON
and hashed into the ensemble's id; the rest of the code knows its methods alone.
:class:`attribution.denoisers.pixels.PixelUNet` is the default,
:class:`attribution.denoisers.text_to_image.kind.Adapters` the second. A further kind is one more
subclass of :class:`DenoiserKind` and one more line in :data:`attribution.ensemble.recipe.KINDS`.

Tensors have the shape [batch, channel, height, width] throughout. ``images`` are float32 in
[-1, 1]; ``x`` is in the kind's own space, which for pixels is the same.

==================  =================================================  ===========================
caller              calls                                              through
==================  =================================================  ===========================
recipe              ``check``, ``from_json``, ``to_json``, ``located`` ``settings.network``
training set        ``encode``, ``condition``, ``pack`` (once, kept)   ``settings.network``
training run        ``new_member``, ``unpack``, ``dropout``,           ``settings.network``,
                    ``predict_each``, ``bytes_to_train``;              :class:`Member`
                    ``Member.state``, ``Member.restore``
member folder       ``save_member``                                    ``settings.network``
open, import        ``load_member``, ``open_members``                  ``settings.network``
request             ``condition``, ``sampling``                        ``settings.network``
sampler, ablation   ``predict``, ``decode``                            ``Ensemble``
ranking             ``encode``, ``text_features``                      ``settings.network``
audit               ``open_base`` (a sample by the base alone)         ``settings.network``
Jacobian            ``predict_with_tangents``, ``decode``              ``Ensemble``
re-noising          ``encode``, ``predict``, ``decode``                ``Ensemble``
batches, progress   ``shape``, ``rows_at_once``, ``evaluations``       ``settings.network``
==================  =================================================  ===========================

What a second kind must implement:

1. ``name`` and, where they differ from pixels, ``latent`` and ``open_labels``;
2. ``shape``, ``config``, ``new_member`` and, for latents, ``encode`` and ``decode``;
3. ``condition``; ``dropout`` and ``sampling`` if it is sampled with guidance; ``text_features`` if
   it reads texts;
4. ``check``: refuse a recipe of other images, classes or noise than the fields are for;
5. ``open_members``, if members share work: return a subclass of
   :class:`attribution.denoisers.ensemble.Ensemble` that overrides ``predict``;
6. ``predict_each`` and ``bytes_to_train``, if members that train together share work;
7. ``open_base``, if members share a frozen base: every audit of a sample then shows what the base
   alone makes of the same noise.

Rules that hold for every kind:

- A member predicts the noise eps. A network that predicts v is converted inside the member: eps =
  sqrt(alpha_bar) v + sqrt(1 - alpha_bar) x_t. The fields then hold the base's schedule, and
  ``check`` refuses a recipe that trains under another one.
- Guidance is part of the condition and applied inside the member, so that sampler and Jacobian
  differentiate and ablate the sampled function.
- A row's prediction depends on that row alone, and on no random state.
- A member's start is a function of the seed alone. The caller's random state stays as it was.
- A frozen base that members share is loaded once per process (``functools.lru_cache``), never
  written into a member's folder, and named by its SHA-256 in the field ``base``. The field is part
  of the recipe, and every manifest states the recipe. Documents read it there
  (:mod:`registry.outputs.base_claim`) and narrow their claims to the fine-tuning. ``located``
  finds the base, and refuses a changed one.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from attribution.denoisers.ensemble import Ensemble
from attribution.denoisers.schedule import SamplingDefaults
from attribution.denoisers.space import Condition, Space
from registry.errors import InputError, IntegrityError, UsageError
from registry.members.manifest import CONFIG_NAME, WEIGHTS_NAME, weights_file

if TYPE_CHECKING:
    from attribution.denoisers.schedule import NoiseSchedule
    from attribution.images import ImageSettings
    from registry.storage.database import Registry

Shape = tuple[int, int, int]
"""Channels, height, width."""


@dataclass(frozen=True)
class Prompt:
    """The condition of one sample as it is requested, stored and hashed."""

    label: str | None = None
    """A text, or the name of a class. None: the empty condition."""
    guidance: float = 1.0
    """Classifier-free guidance (Ho and Salimans 2021): eps = eps_negative + guidance (eps_label -
    eps_negative). 1: no guidance."""
    negative: str | None = None
    """The text that guidance leads away from. None: the empty text."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.guidance <= 100.0:
            raise UsageError(f"guidance {self.guidance}: choose a number from 0 to 100")
        if self.guidance == 1.0 and self.negative is not None:
            raise UsageError("a negative text has no effect at guidance 1, which is none: choose another --guidance")

    def options(self) -> dict[str, Any]:
        """The fields that are stored with the sampler's; empty without guidance."""
        if self == Prompt(self.label):
            return {}
        return {"guidance": self.guidance, **({} if self.negative is None else {"negative": self.negative})}


class Member(nn.Module, ABC):
    """One member of an ensemble, to be trained or to predict."""

    @abstractmethod
    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        t: Int[Tensor, " batch"],
        condition: Any = None,  # noqa: ANN401  # a Condition of the member's kind
    ) -> Float[Tensor, "batch channel height width"]:
        """Eps, the noise in x_t. ``condition`` None is the empty condition."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """The trained part alone, by name: the contents of checkpoints and member files."""

    @abstractmethod
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back a state.

        Raises:
            RuntimeError: names or shapes differ from those of :meth:`state`.
        """


class DenoiserKind(Space, ABC):
    """One kind of denoiser; subclasses are frozen dataclasses."""

    name: ClassVar[str]
    """The name in the recipe's JSON."""
    open_labels: ClassVar[bool] = False
    """Whether labels are free text. Otherwise the recipe lists the classes."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read stored fields back.

        Raises:
            InputError: a field is missing, unknown or of the wrong type.
            UsageError: the fields contradict each other.
        """
        try:
            return cls(**document)
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"network settings cannot be read: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """The fields, as stored with an ensemble."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # subclasses are dataclasses

    @abstractmethod
    def check(self, image: ImageSettings, classes: Sequence[str], schedule: NoiseSchedule) -> None:
        """Refuse a recipe of other images, classes or noise than the fields are for.

        Raises:
            UsageError: names the contradiction.
        """

    def located(self, registry: Registry, *, training: bool = False) -> Self:  # noqa: ARG002  # for kinds that share files
        """This kind, with the place here of files that members share, such as a base.

        The place is no part of the recipe. ``training``: compare every byte of these files with the
        registered hashes; otherwise only of files that were touched since.

        Raises:
            NotFoundError: the registry has no such base.
            IntegrityError: a file was changed or is missing.
        """
        return self

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """Shape of one x."""

    @property
    def sampling(self) -> SamplingDefaults:
        """The sampler and guidance of a request that names none."""
        return SamplingDefaults()

    @property
    def dropout(self) -> float:
        """Share of training rows trained under the empty condition instead of their own."""
        return 0.0

    @abstractmethod
    def condition(self, prompts: Sequence[Prompt], classes: Sequence[str]) -> Condition | None:
        """The condition of a batch on the CPU, one row per prompt; None for an unconditional kind.

        :meth:`attribution.ensemble.recipe.EnsembleSettings.condition` has checked the labels.

        Raises:
            UsageError: a prompt that this kind cannot follow.
        """

    def text_features(self, texts: Sequence[str]) -> Float32[np.ndarray, "text value"] | None:  # noqa: ARG002  # for kinds with an encoder
        """What the kind's text encoder makes of some texts, one vector each; None: it has none."""
        return None

    def cut(self, texts: Sequence[str]) -> list[str]:  # noqa: ARG002  # for kinds that read texts
        """The texts whose end this kind does not read, because they are too long for it."""
        return []

    def pack(self, condition: Condition) -> dict[str, Tensor]:  # noqa: ARG002  # for conditions that cost
        """A condition as tensors, to be kept for a training; empty: it is made again."""
        return {}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Condition:
        """The condition that :meth:`pack` gave.

        Raises:
            InputError: the tensors are of another condition.
        """
        raise InputError(f"the kind {self.name!r} keeps no conditions, got {sorted(tensors)}")

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The contents of ``config.json`` in a member's folder: how to build the network."""

    @abstractmethod
    def new_member(self, seed: int) -> Member:
        """A member before training; parameters that stay fixed require no gradient."""

    def predict_each(
        self,
        members: Sequence[Member],
        x: Float[Tensor, "member batch channel height width"],
        t: Int[Tensor, "member batch"],
        condition: Any = None,  # noqa: ANN401  # a Condition of the kind
    ) -> Float[Tensor, "member batch channel height width"]:
        """Eps of every member on a batch of its own, for members that train together.

        ``condition`` has member x batch rows.
        """
        batch = x.shape[1]
        rows = torch.split(torch.arange(len(members) * batch), batch)
        return torch.stack(
            [
                member(x[place], t[place], None if condition is None else condition[rows[place]])
                for place, member in enumerate(members)
            ]
        )

    def bytes_to_train(self, rows: int) -> int | None:  # noqa: ARG002  # for kinds whose members share work
        """Memory on a GPU that a pass over this many rows of one member keeps for its gradients.

        None: members gain nothing from training together.
        """
        return None

    def save_member(self, member: Member, folder: Path) -> None:
        """Write config.json and the trained part (safetensors) into ``folder``."""
        (folder / CONFIG_NAME).write_text(json.dumps(self.config(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        tensors = {name: value.contiguous() for name, value in member.state().items()}
        save_file(tensors, folder / WEIGHTS_NAME, self.weights_metadata())

    def weights_metadata(self) -> dict[str, str] | None:
        """What the header of a member's weights says; None: nothing."""
        return None

    def load_member(self, folder: Path, *, trainable: bool = False) -> Member:
        """Open a member's folder for inference; ``trainable``: the trained part takes gradients.

        The network is built from the recipe, and weights are read into it by name and shape: a
        config file from outside cannot make this process build another network.

        Raises:
            IntegrityError: the files are missing, or belong to another network.
        """
        check_config(folder / CONFIG_NAME, self.config())
        member, path = self.new_member(0), weights_file(folder)
        try:
            weights = load_file(path)
            member.restore(weights)
        except (OSError, SafetensorError, RuntimeError) as error:
            first_line = str(error).splitlines()[0]
            raise IntegrityError(
                f"weights {path} cannot be read as this ensemble's network ({first_line}); "
                "restore the file or import the member again"
            ) from error
        broken = [name for name, values in sorted(weights.items()) if not bool(torch.isfinite(values).all())]
        if broken:
            raise IntegrityError(f"weights {path} hold NaN or infinity, first in {broken[0]}: the member diverged")
        return member.eval() if trainable else member.eval().requires_grad_(False)

    def open_members(self, folders: Sequence[Path], device: str) -> Ensemble:
        """Members that predict together, in this order.

        Raises:
            IntegrityError: as :meth:`load_member`.
        """
        return Ensemble([self.load_member(folder).to(device) for folder in folders], self)

    def open_base(self, device: str) -> Ensemble | None:  # noqa: ARG002  # for kinds with a base
        """The frozen base alone, as an ensemble of one; None: members share no base.

        The base follows the same conditions and guidance as the members, and shares its weights
        with members that are open on the device.

        Raises:
            IntegrityError: the base is missing or altered.
        """
        return None

    def rows_at_once(self, device: str) -> int:
        """Rows of a sampling batch. Changing it changes samples by rounding."""
        return 4 if device == "cpu" else 64

    def evaluations(self, prompt: Prompt | None) -> int:
        """Cost of one prediction, in network evaluations."""
        return 1 if prompt is None or prompt.guidance == 1.0 else 2


def check_config(path: Path, config: Mapping[str, Any]) -> None:
    """Compare a member's config.json with the ensemble's network; unknown keys are ignored.

    Raises:
        IntegrityError: it is missing, unreadable, or describes another network.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(f"{path} cannot be read: {error}; restore it or import the member again") from error
    expected = json.loads(json.dumps(config))
    for name, value in expected.items():
        if not isinstance(found, dict) or found.get(name) != value:
            got = found.get(name) if isinstance(found, dict) else found
            raise IntegrityError(f"{path} describes another network: {name} is {got!r}, this ensemble has {value!r}")
