"""Headers of safetensors: the tensors' names, shapes and number of values, without their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from safetensors import SafetensorError, safe_open

from registry.bases.documents import Config, shown
from registry.bases.files import BaseFolder, WeightFiles
from registry.errors import InputError
from registry.messages import plain_reason


@dataclass(frozen=True)
class Tensors:
    """The tensors of a part: shapes by name."""

    shapes: Mapping[str, tuple[int, ...]]

    @property
    def values(self) -> int:
        return sum(prod(shape) for shape in self.shapes.values())

    def shape_of(self, ending: str) -> tuple[int, ...] | None:
        """The shape of the one tensor whose name ends so; names begin differently by version."""
        found = [shape for name, shape in self.shapes.items() if name == ending or name.endswith(f".{ending}")]
        return found[0] if len(found) == 1 else None


def read_tensors(folder: BaseFolder, weights: WeightFiles) -> Tensors:
    """The tensors in a part's files.

    Raises:
        InputError: a file is missing or no safetensors file, or the index names other tensors.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for name in weights.files:
        if not name.endswith(".safetensors"):
            continue
        try:
            with safe_open(folder.file(name), framework="numpy") as file:
                found = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no mapping
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(
                f"{folder.root / name} is no whole safetensors file: {plain_reason(error)}; copy or download it again"
            ) from error
        if weights.tensors is not None:
            expected = {tensor for tensor, place in weights.tensors.items() if place == name}
            if differing := sorted(expected ^ found.keys()):
                raise InputError(
                    f"{folder.root / name} and the index of its shards differ in the tensor {shown(differing[0])}; copy or "
                    "download the folder again"
                )
        shapes |= found
    return Tensors(shapes)


def check_shapes(part: str, config: Config, tensors: Tensors) -> None:
    """The weights are those of the configured network, as far as its ends show.

    Raises:
        InputError: they are of another network.
    """
    if part == "unet":
        expected = {"conv_in.weight": (1, config.whole("in_channels"))}
    elif part.startswith("text_encoder"):
        width = config.whole("hidden_size")
        expected = {
            "token_embedding.weight": (0, config.whole("vocab_size")),
            "position_embedding.weight": (0, config.whole("max_position_embeddings")),
            "final_layer_norm.weight": (0, width),
        }
    else:
        return
    for name, (axis, size) in expected.items():
        shape = tensors.shape_of(name)
        if shape is None or len(shape) <= axis or shape[axis] != size:
            got = "are missing" if shape is None else f"have the shape {list(shape)}"
            raise InputError(
                f"the weights {name} of {part} {got}, and {config.where} says {size:,}: they do not belong together"
            )
