"""Forward-mode differentiation of a network along many directions, with its value computed once.

``torch.func.jvp`` under ``vmap`` does this for any network, but assembles the derivative of group
normalisation from a dozen elementwise passes over all directions, which cost more than the
convolutions. Here a :class:`Dual` carries a value and its n tangents through a network by
``__torch_function__``. The layers of denoisers have rules:

- a convolution is linear, so its tangents are one convolution over n x batch rows;
- SiLU multiplies by a slope that is the same for all tangents;
- group normalisation, y = gamma (x - mean) / std + beta, has the tangent (gamma / std) (x' -
  mean(x') - z mean(z x')) with z = (x - mean) / std: a rank-two correction, two matrix products.

Every other function falls back to ``vmap`` of ``torch.func.jvp``, so a network may hold any layer
with forward AD. ``benchmarks/auditing/jacobian_cost.py`` measures both.

>>> y, tangents = propagate(lambda x: 3 * x, torch.ones(1, 2), torch.eye(2)[:, None])
>>> tangents[:, 0].tolist()
[[3.0, 0.0], [0.0, 3.0]]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp, vmap
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from registry.errors import UsageError

Function = Callable[..., Any]
Rule = Callable[..., object]
"""Called like the function that it replaces; ``NotImplemented`` leaves a case to the fallback."""


class Dual(Tensor):
    """A tensor and its tangents, which have the shape of ``value`` after one more dimension."""

    value: Tensor
    tangents: Tensor

    @classmethod
    def __torch_function__(
        cls,
        func: Function,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        options = kwargs or {}
        rule = _RULES.get(func)
        if rule is not None:
            result = rule(func, *args, **options)
            if result is not NotImplemented:
                return result
        return _fallback(func, args, options)


def dual(value: Tensor, tangents: Tensor) -> Dual:
    """Tie a value to its tangents; both are plain tensors."""
    result = value.as_subclass(Dual)
    result.value = value
    result.tangents = tangents
    return result


def propagate(
    network: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch ..."],
    tangents: Float[Tensor, "tangent batch ..."],
    at_once: int | None = None,
) -> tuple[Float[Tensor, "batch ..."], Float[Tensor, "tangent batch ..."]]:
    """Return network(x) and, for every tangent X, the directional derivative J_network(x) X.

    Call without gradients. Attention runs in the kernel that has forward AD. ``at_once`` tangents
    are carried together, for less memory; the value is computed again for each part. None: all.

    Raises:
        UsageError: the network changes its tensors in place, which would lose tangents.
    """
    if at_once is not None and at_once < len(tangents):
        parts = [propagate(network, x, part) for part in torch.split(tangents, at_once)]
        return parts[0][0], torch.cat([moved for _, moved in parts])
    with sdpa_kernel(SDPBackend.MATH):
        y = network(dual(x, tangents))
    if not isinstance(y, Dual):
        return y, tangents.new_zeros((len(tangents), *y.shape))
    return y.value, y.tangents


def _fallback(func: Function, args: Sequence[object], options: Mapping[str, object]) -> object:
    """Any other function, through PyTorch's own forward AD."""
    inputs: list[Dual] = []
    _substitute((args, dict(options)), inputs.append)
    values = [item.value for item in inputs]
    versions = [value._version for value in values]
    result = _call(func, args, options, values)
    if versions != [value._version for value in values]:
        name = getattr(func, "__name__", str(func))
        raise UsageError(f"the network changes a tensor in place ({name}): forward differentiation needs a new tensor")
    for item in inputs:
        if result is item.value:  # nothing was converted or dropped: dropout outside training, for example
            return item
    results = list(result) if isinstance(result, (list, tuple)) else [result]
    smooth = [place for place, item in enumerate(results) if isinstance(item, Tensor) and item.is_floating_point()]
    if not smooth:
        return result

    def along(*directions: Tensor) -> tuple[Tensor, ...]:
        def call(*changed: Tensor) -> tuple[Tensor, ...]:
            output = _call(func, args, options, changed)
            return tuple((output if isinstance(output, (list, tuple)) else [output])[place] for place in smooth)

        moved: tuple[Tensor, ...] = jvp(call, tuple(values), directions)[1]
        return moved

    tangents = vmap(along)(*(item.tangents for item in inputs))
    for place, moved in zip(smooth, tangents, strict=True):
        results[place] = dual(results[place], moved)
    return type(result)(results) if isinstance(result, (list, tuple)) else results[0]


def _call(func: Function, args: Sequence[object], options: Mapping[str, object], values: Sequence[Tensor]) -> Any:  # noqa: ANN401  # whatever ``func`` returns
    """Call ``func`` with its duals, in order of appearance, replaced by ``values``."""
    following = iter(values)
    new_args, new_options = _substitute((args, dict(options)), lambda _: next(following))
    return func(*new_args, **new_options)


def _substitute(tree: Any, change: Callable[[Dual], object]) -> Any:  # noqa: ANN401  # arguments of any function
    """Rebuild nested arguments with ``change`` applied to each dual, always in the same order."""
    if isinstance(tree, Dual):
        return change(tree)
    if isinstance(tree, (list, tuple)):
        return type(tree)([_substitute(item, change) for item in tree])
    if isinstance(tree, dict):
        return {key: _substitute(item, change) for key, item in tree.items()}
    return tree


def _convolve(
    func: Function, x: object, weight: Tensor, bias: Tensor | None = None, *rest: object, **options: object
) -> object:
    if not isinstance(x, Dual) or isinstance(weight, Dual) or x.value.ndim != weight.ndim:
        return NotImplemented
    rows = func(x.tangents.flatten(0, 1), weight, None, *rest, **options)
    return dual(func(x.value, weight, bias, *rest, **options), rows.unflatten(0, x.tangents.shape[:2]))


def _linear(func: Function, x: object, weight: Tensor, bias: Tensor | None = None) -> object:
    if not isinstance(x, Dual) or isinstance(weight, Dual):
        return NotImplemented
    return dual(func(x.value, weight, bias), func(x.tangents, weight))


def _rearrange(func: Function, x: object, *rest: object, **options: object) -> object:
    """A linear function of images that treats all rows of the batch alike."""
    if not isinstance(x, Dual) or x.value.ndim != 4:
        return NotImplemented
    rows = func(x.tangents.flatten(0, 1), *rest, **options)
    return dual(func(x.value, *rest, **options), rows.unflatten(0, x.tangents.shape[:2]))


def _silu(func: Function, x: Dual, inplace: bool = False) -> object:
    if inplace:
        return NotImplemented
    sigmoid = torch.sigmoid(x.value)
    return dual(func(x.value), x.tangents * (sigmoid * (1 + x.value * (1 - sigmoid))))


def _add(func: Function, first: object, second: object, **options: object) -> object:
    plain = [item.value if isinstance(item, Dual) else item for item in (first, second)]
    parts = [item for item in (first, second) if isinstance(item, Dual)]
    result = func(*plain, **options)
    if options or any(part.value.shape != result.shape for part in parts):
        return NotImplemented  # broadcasting changes the tangents' shapes
    return dual(result, parts[0].tangents if len(parts) == 1 else parts[0].tangents + parts[1].tangents)


def _scale(func: Function, first: object, second: object, **options: object) -> object:
    """A product or quotient of a dual by a constant."""
    if options or not isinstance(first, Dual) or isinstance(second, Dual):
        return NotImplemented
    result = func(first.value, second)
    if result.shape != first.value.shape:
        return NotImplemented
    unchanged = isinstance(second, (int, float)) and second == 1
    return dual(result, first.tangents if unchanged else func(first.tangents, second))


def _concatenate(func: Function, parts: Sequence[object], dim: int = 0, **options: object) -> object:
    duals = [part for part in parts if isinstance(part, Dual)]
    if options or len(duals) != len(parts):
        return NotImplemented
    behind = dim + 1 if dim >= 0 else dim
    return dual(func([part.value for part in duals], dim), func([part.tangents for part in duals], behind))


def _group_norm(
    func: Function,
    x: object,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> object:
    if not isinstance(x, Dual) or isinstance(weight, Dual) or isinstance(bias, Dual):
        return NotImplemented
    batch, channels = x.value.shape[:2]
    groups, count = batch * num_groups, x.value[0].numel() // num_groups
    rows = x.value.reshape(groups, count)
    variance, mean = torch.var_mean(rows, dim=1, correction=0, keepdim=True)
    scale = torch.rsqrt(variance + eps)
    directions = torch.stack([torch.ones_like(rows), (rows - mean) * scale], dim=1)
    gain = scale[:, None]
    if weight is not None:
        by_place = weight.reshape(num_groups, -1, 1).expand(-1, -1, count * num_groups // channels)
        gain = (scale.reshape(batch, num_groups, 1) * by_place.reshape(num_groups, count)).reshape(groups, 1, count)
    # With groups in front, one batched product serves all tangents; views are read and written in
    # place.
    tangents = x.tangents.reshape(-1, groups, count).transpose(0, 1)
    result = torch.empty(x.tangents.shape, dtype=x.tangents.dtype, device=x.tangents.device)
    into = result.view(-1, groups, count).transpose(0, 1)
    torch.baddbmm(tangents, torch.bmm(tangents, directions.mT), directions, alpha=-1 / count, out=into)
    into.mul_(gain)
    return dual(func(x.value, num_groups, weight, bias, eps), result)


_RULES: dict[Function, Rule] = {
    torch.conv2d: _convolve,
    functional.linear: _linear,
    functional.group_norm: _group_norm,
    functional.silu: _silu,
    functional.interpolate: _rearrange,
    functional.pixel_shuffle: _rearrange,
    functional.pixel_unshuffle: _rearrange,
    torch.cat: _concatenate,
    torch.add: _add,
    Tensor.add: _add,
    Tensor.__add__: _add,
    Tensor.__radd__: _add,
    torch.mul: _scale,
    Tensor.mul: _scale,
    Tensor.__mul__: _scale,
    Tensor.__rmul__: _scale,
    torch.div: _scale,
    Tensor.div: _scale,
    Tensor.__truediv__: _scale,
}
