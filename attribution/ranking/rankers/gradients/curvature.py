"""Per-example gradients of linear layers, and the Kronecker-factored curvature that whitens them.

Every linear or convolutional layer computes y = W a at one or more places p, so an example's
gradient is a sum of outer products, sum_p g_p a_p^T, of returned gradients g and inputs a. EK-FAC
(George et al. 2018; for influence functions Grosse et al. 2023) approximates the curvature of the
loss by one block a layer that is diagonal in the product of two eigenbases,

    H = (Q_S x Q_A) diag(Lambda) (Q_S x Q_A)^T,
    A = E[a a^T],    S = E[g g^T],    Lambda = E[(Q_S^T G Q_A)^2]

so that whitening a gradient is two small matrix products and a division: whitened(G) = (Q_S^T G
Q_A) / sqrt(Lambda + damping). The expectations are over the model's own output distribution (for a
squared error: a normal one), not over the data's residuals, which vanish where works are memorised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Factors:
    """The eigenbases and the curvature of one layer."""

    inputs: Float[Tensor, "input input"]
    outputs: Float[Tensor, "output output"]
    curvature: Float[Tensor, "output input"]

    def whitened(self, gradients: Float[Tensor, "example output input"], damping: float) -> Tensor:
        """Gradients in the eigenbasis, each divided by the root of its curvature."""
        level = self.curvature + damping * self.curvature.mean()
        return self.rotated(gradients) / level.sqrt()

    def rotated(self, gradients: Float[Tensor, "example output input"]) -> Tensor:
        """Gradients in the eigenbasis."""
        return torch.einsum("po,boa,aq->bpq", self.outputs.T, gradients, self.inputs)


class LayerGradients:
    """Records inputs and returned gradients of the linear and convolutional layers of a network."""

    def __init__(self, network: nn.Module, ends: bool = False) -> None:
        """Record all such layers that are trained, with a weight that takes gradients.

        ``ends``: of a network that is trained as a whole only the first and the last (convolutions,
        if any). Of adapters on a frozen network all layers are recorded: none is an end of it.
        """
        every = {
            name: module
            for name, module in network.named_modules()
            if isinstance(module, nn.Linear) or _is_plain(module)
        }
        self.layers = {name: module for name, module in every.items() if module.get_parameter("weight").requires_grad}
        if ends and len(self.layers) == len(every):
            plain = [name for name, module in self.layers.items() if isinstance(module, nn.Conv2d)] or [*self.layers]
            self.layers = {name: self.layers[name] for name in (plain[0], plain[-1])}
        self.network = network
        self._inputs: dict[str, list[Tensor]] = {}
        self._returned: dict[str, dict[int, Tensor]] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within this context, each pass through the network replaces the records."""
        handles = [layer.register_forward_hook(self._keep(name)) for name, layer in self.layers.items()]
        if self.network not in self.layers.values():
            handles.append(self.network.register_forward_pre_hook(lambda *_: self._clear()))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._clear()

    def _clear(self) -> None:
        self._inputs.clear()
        self._returned.clear()

    def _keep(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        alone = self.layers[name] is self.network

        def hook(_module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            if alone:
                self._clear()
            # A network may run a layer on some rows at a time, in order.
            inputs, returned = self._inputs.setdefault(name, []), self._returned.setdefault(name, {})
            place = len(inputs)
            inputs.append(arguments[0].detach())
            output.register_hook(lambda gradient: returned.__setitem__(place, gradient.detach()))  # type: ignore[no-untyped-call]  # torch leaves it untyped

        return hook

    def pairs(self) -> Iterator[tuple[str, Float[Tensor, "row place input"], Float[Tensor, "row place output"]]]:
        """Per layer, inputs (with a 1 for the bias) and returned gradients of the last pass."""
        for name, layer in self.layers.items():
            places = sorted(self._returned.get(name, ()))
            if not places:
                continue
            came = torch.cat([self._inputs[name][place] for place in places])
            went = torch.cat([self._returned[name][place] for place in places])
            if isinstance(layer, nn.Conv2d):
                padding = (0, 0) if isinstance(layer.padding, str) else layer.padding
                came = functional.unfold(came, layer.kernel_size, layer.dilation, padding, layer.stride).transpose(1, 2)
                went = went.flatten(2).transpose(1, 2)
            else:
                came, went = came.reshape(len(came), -1, came.shape[-1]), went.reshape(len(went), -1, went.shape[-1])
            if layer.bias is not None:
                came = torch.cat([came, came.new_ones(*came.shape[:2], 1)], dim=2)
            yield name, came, went


def fitted_factors(recorder: LayerGradients, passes: Callable[[], Iterator[None]]) -> dict[str, Factors]:
    """EK-FAC's factors from two rounds of ``passes``, which yields after every backward pass.

    Gradients must be of the model's own output distribution, one example per row.
    """
    came_square: dict[str, Tensor] = {}
    went_square: dict[str, Tensor] = {}
    with recorder.recording():
        for _ in passes():
            for name, came, went in recorder.pairs():
                a, g = came.flatten(0, 1), went.flatten(0, 1)
                came_square[name] = came_square.get(name, 0.0) + a.T @ a
                went_square[name] = went_square.get(name, 0.0) + g.T @ g
    bases = {name: (_eigenbasis(came_square[name]), _eigenbasis(went_square[name])) for name in came_square}
    curvature: dict[str, Tensor] = {}
    rows = 0
    with recorder.recording():
        for _ in passes():
            count = 0
            for name, came, went in recorder.pairs():
                inputs, outputs = bases[name]
                rotated = torch.einsum("bpo,bpa->boa", went @ outputs, came @ inputs)
                curvature[name] = curvature.get(name, 0.0) + rotated.square().sum(dim=0)
                count = len(came)
            rows += count
    return {name: Factors(*bases[name], curvature[name] / rows) for name in bases}


def _is_plain(module: nn.Module) -> bool:
    """Whether a module is recorded: a convolution by matrix product on unfolded patches."""
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == 1
        and module.padding_mode == "zeros"
        and module.padding != "same"
    )


def _eigenbasis(square: Float[Tensor, "value value"]) -> Tensor:
    vectors: Tensor = torch.linalg.eigh(square.double())[1]
    return vectors.to(square.dtype)
