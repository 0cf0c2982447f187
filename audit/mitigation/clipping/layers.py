"""Each layer's squared gradient norms by unit, from what went in and what came back, and what is kept for the sum.

A linear layer's gradient of a unit is Σ_t g_t a_tᵀ over the T tokens of its rows. Its squared norm is
Σ_{s,t} (a_s·a_t)(g_s·g_t), two T × T products without the gradient itself (Goodfellow 2015, arXiv 1510.01799; Li et
al. 2021, arXiv 2110.05679), which cost less where 2T² < p·d (Bu et al. 2022, arXiv 2210.00038).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from audit.errors import ConfigError
from audit.mitigation.clipping.groups import Groups
from audit.mitigation.clipping.kept import Kept, Outer, PerUnit, Rows
from audit.mitigation.clipping.norms import scale_of

if TYPE_CHECKING:
    from torch import Tensor

# (module, trained parameters, input, gradient of the output, rows by unit) -> squares by unit, what is kept
Layer = Callable[[Any, Collection[nn.Parameter], "Tensor", "Tensor", Groups], tuple["Tensor", list[Kept]]]


def layer_of(module: nn.Module) -> Layer | None:
    """The function that knows ``module``, or None where none does."""
    from transformers.pytorch_utils import Conv1D

    kind = type(module)
    if kind in (nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear):
        return linear
    if kind is Conv1D:
        return linear
    if kind is nn.Embedding:
        plain = isinstance(module, nn.Embedding) and module.max_norm is None and not module.scale_grad_by_freq
        return embedding if plain else None
    if kind in (nn.LayerNorm, nn.RMSNorm):
        return normalisation
    return normalisation if scale_of(module) is not None else None


def linear(
    module: Any, trained: Collection[nn.Parameter], read: Tensor, back: Tensor, groups: Groups, *, tied: bool = False
) -> tuple[Tensor, list[Kept]]:
    """A ``Linear``, or a ``Conv1D``, whose weights lie the other way round.

    Of a ``tied`` weight the factors are kept: :func:`tied_products` reads them.
    """
    back, read = _tokens(back), _tokens(read)
    squares, kept = back.new_zeros(groups.units), list[Kept]()
    if module.bias is not None and module.bias in trained:
        sums = groups.add(back.sum(1))
        squares += sums.square().sum(1)
        kept.append(PerUnit(module.bias, sums))
    if module.weight not in trained:
        return squares, kept
    left, right = (back, read) if isinstance(module, nn.Linear) else (read, back)
    tokens, (rows, columns) = groups.most_rows * back.shape[1], module.weight.shape
    if 2 * tokens**2 < rows * columns:
        return squares + ghost_squares(left, right, groups), [*kept, Outer(module.weight, left, right)]
    gradients = torch.cat([torch.bmm(one.mT, other) for one, other in groups.views(left, right)])
    squares += gradients.flatten(1).square().sum(1)
    # Whichever is smaller is kept.
    if not tied and rows * columns * groups.units <= back.shape[0] * back.shape[1] * (rows + columns):
        return squares, [*kept, PerUnit(module.weight, gradients)]
    return squares, [*kept, Outer(module.weight, left, right)]


def ghost_squares(left: Tensor, right: Tensor, groups: Groups) -> Tensor:
    """‖Σ_t left_t right_tᵀ‖² of each unit as Σ_{s,t} (left_s·left_t)(right_s·right_t); shape (units,).

    Terms of both signs may cancel, and what rounding leaves is then as large as the sum. A norm that came out too
    small would let the unit through unclipped, so eps · (Σ_t ‖left_t‖ ‖right_t‖)² is added: a few millionths
    of the norm in float32 where little cancels, and nothing that shows in float64.

    >>> left, right = torch.tensor([[[1.0, 2.0], [0.0, 1.0]]]), torch.tensor([[[3.0], [1.0]]])
    >>> groups = Groups(1, torch.tensor([0]), ((1, 1),))
    >>> ghost_squares(left, right, groups).round(), (left[0].mT @ right[0]).square().sum()
    (tensor([58.]), tensor(58.))
    """
    found = []
    for one, other in groups.views(left, right):
        lefts, rights = torch.bmm(one, one.mT), torch.bmm(other, other.mT)
        lengths = lefts.diagonal(dim1=1, dim2=2) * rights.diagonal(dim1=1, dim2=2)
        rounding = torch.finfo(lefts.dtype).eps * lengths.sqrt().sum(1).square()
        # What is a sum of squares may come out below 0; NaN stays NaN.
        found.append(lefts.mul_(rights).sum((1, 2)).clamp(min=0) + rounding)
    return torch.cat(found)


def embedding(
    module: Any, trained: Collection[nn.Parameter], read: Tensor, back: Tensor, groups: Groups
) -> tuple[Tensor, list[Kept]]:
    """An ``Embedding``: what comes back to a token's places in one unit is added up, then squared."""
    back = _tokens(back)
    ids = read.reshape(back.shape[:2])
    if module.padding_idx is not None:  # autograd gives its row nothing
        back = back.masked_fill((ids == module.padding_idx).unsqueeze(-1), 0)
    keys = groups.unit[:, None] * module.num_embeddings + ids
    which, places = torch.unique(keys, return_inverse=True)
    sums = back.new_zeros(len(which), back.shape[2]).index_add_(0, places.flatten(), back.flatten(0, 1))
    unit = torch.div(which, module.num_embeddings, rounding_mode="floor")
    squares = back.new_zeros(groups.units).index_add_(0, unit, sums.square().sum(1))
    return squares, [Rows(module.weight, ids, back)]


def normalisation(
    module: Any, trained: Collection[nn.Parameter], read: Tensor, back: Tensor, groups: Groups
) -> tuple[Tensor, list[Kept]]:
    """A ``LayerNorm`` or any RMSNorm: gradients are as wide as the layer, and held for each unit."""
    scaled: dict[nn.Parameter, Tensor] = {}
    wide = _wide(back)
    if module.weight is not None and module.weight in trained:
        scaled[module.weight] = wide * _normalised(module, read)
    bias = getattr(module, "bias", None)
    if bias is not None and bias in trained:
        scaled[bias] = wide
    squares, kept = wide.new_zeros(groups.units), list[Kept]()
    for parameter, values in scaled.items():
        places = values.shape[1 : values.ndim - parameter.ndim]
        sums = groups.add(values.reshape(len(values), places.numel(), *parameter.shape).sum(1))
        squares += sums.flatten(1).square().sum(1)
        kept.append(PerUnit(parameter, sums))
    return squares, kept


def _normalised(module: Any, read: Tensor) -> Tensor:
    if isinstance(module, nn.LayerNorm):
        return _wide(torch.nn.functional.layer_norm(read, module.normalized_shape, eps=module.eps))
    if isinstance(module, nn.RMSNorm):
        return _wide(torch.nn.functional.rms_norm(read, module.normalized_shape, eps=module.eps))
    scale = scale_of(module)
    if scale is None:
        raise ConfigError(f"{type(module).__name__}: its gradients are not known; take finetune.clipping = 'hooks'")
    return _wide(scale.normalised(read))


def tied_products(head: Outer, rows: Rows, groups: Groups) -> Tensor:
    """⟨G_head, G_embedding⟩ of each unit whose head and embedding are one: Σ_{s,t} g_t[x_s] (h_t·u_s); (units,).

    ``head.left`` are gradients g of the logits and ``head.right`` the hidden states h; ``rows`` has tokens x and what
    comes back to them, u. What rounding may leave is added, as in :func:`ghost_squares`.
    """
    found = []
    for logits, hidden, ids, back in groups.views(head.left, head.right, rows.ids, rows.back):
        places = ids.unsqueeze(1).expand(-1, logits.shape[1], -1)
        products = torch.bmm(hidden, back.mT.to(hidden.dtype))
        lengths = (logits.norm(dim=2) * hidden.norm(dim=2)).sum(1) * back.norm(dim=2).sum(1)
        rounding = torch.finfo(products.dtype).eps * lengths
        found.append(logits.gather(2, places).mul_(products).sum((1, 2)) + rounding)
    return torch.cat(found)


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _tokens(tensor: Tensor) -> Tensor:
    """As (rows, tokens, width), at least in float32."""
    return _wide(tensor).unsqueeze(1) if tensor.ndim == 2 else _wide(tensor).flatten(1, -2)
