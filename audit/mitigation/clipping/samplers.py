"""Gradients and gradient norms of one row for layers that Opacus would leave to functorch, or gets wrong.

Registered with Opacus for the classes that a model holds, before it is wrapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from audit.mitigation.clipping.norms import scale_of

if TYPE_CHECKING:
    from torch import Tensor

    Samples = dict[nn.Parameter, Tensor]

_REGISTERED: Final[set[type[nn.Module]]] = set()


def register(model: nn.Module) -> None:
    """Register what ``model`` needs, once for each class."""
    from opacus.grad_sample import GradSampleModule, register_grad_sampler, register_norm_sampler
    from transformers.pytorch_utils import Conv1D

    for module in model.modules():
        kind = type(module)
        if kind in _REGISTERED or not any(p.requires_grad for p in module.parameters(recurse=False)):
            continue
        if kind is Conv1D:
            register_grad_sampler(kind)(conv1d_gradients)
            register_norm_sampler(kind)(conv1d_norms)
        elif kind is nn.Embedding:
            register_grad_sampler(kind)(_without_padding(GradSampleModule.GRAD_SAMPLERS[kind]))
            register_norm_sampler(kind)(_without_padding(_norm_samplers()[kind]))
        elif kind is not nn.RMSNorm and scale_of(module) is not None:
            register_grad_sampler(kind)(rms_norm_gradients)
        else:
            continue
        _REGISTERED.add(kind)


def _norm_samplers() -> dict[type[nn.Module], Any]:
    from opacus.grad_sample import GradSampleModuleFastGradientClipping

    found: dict[type[nn.Module], Any] = GradSampleModuleFastGradientClipping.NORM_SAMPLERS
    return found


def conv1d_gradients(layer: Any, activations: list[Tensor], backprops: Tensor) -> Samples:
    """Gradients of GPT-2's ``Conv1D``, a linear layer whose weights lie the other way round; (rows, in, out)."""
    found: Samples = {}
    read = activations[0].to(backprops.dtype)
    if layer.weight.requires_grad:
        found[layer.weight] = torch.einsum("n...i,n...j->nij", read, backprops)
    if layer.bias.requires_grad:
        found[layer.bias] = torch.einsum("n...k->nk", backprops)
    return found


def conv1d_norms(layer: Any, activations: list[Tensor], backprops: Tensor) -> Samples:
    """Norms of the same, without the gradients: ‖Σ_t a_t g_tᵀ‖² = Σ_{s,t} (a_s·a_t)(g_s·g_t); (rows,)."""
    found: Samples = {}
    read = activations[0].to(backprops.dtype).flatten(1, -2)
    back = backprops.flatten(1, -2)
    if layer.weight.requires_grad:
        products = (read @ read.mT).mul_(back @ back.mT)
        found[layer.weight] = products.sum((1, 2)).clamp(min=0).sqrt()
    if layer.bias.requires_grad:
        found[layer.bias] = back.sum(1).norm(dim=1)
    return found


def rms_norm_gradients(layer: Any, activations: list[Tensor], backprops: Tensor) -> Samples:
    """Gradients of an RMSNorm's scale; (rows, width)."""
    scale = scale_of(layer)
    if scale is None:
        raise ValueError(f"{type(layer).__name__} no longer computes what it did when it was wrapped")
    return {layer.weight: (scale.normalised(activations[0]) * backprops).flatten(1, -2).sum(1)}


def _without_padding(sampler: Any) -> Any:
    """Leave out what autograd leaves out: the token that an embedding is padded with learns nothing there."""

    def sample(layer: nn.Embedding, activations: list[Tensor], backprops: Tensor) -> Samples:
        if layer.padding_idx is not None:
            backprops = backprops.masked_fill((activations[0] == layer.padding_idx).unsqueeze(-1), 0)
        found: Samples = sampler(layer, activations, backprops)
        return found

    return sample
