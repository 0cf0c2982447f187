"""The clipped sum that a training would noise, taken through the very engine that trains, without leaving a trace."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audit.mitigation.values import Batch

if TYPE_CHECKING:
    from torch import Tensor, nn

# What the wrappers leave on a parameter or take from it.
_LEFT_BEHIND = ("grad_sample", "summed_grad", "_norm_sample")
_ABSENT = object()


class Engine(Protocol):
    """What is checked: a wrapped model, an optimizer of Opacus's kind, and how a batch gets to it."""

    model: nn.Module
    optimizer: Any

    def backward(self, batch: Batch) -> None:
        """Leave behind what ``optimizer.step()`` clips and adds up."""
        ...


def clipped_sum(engine: Engine, batches: Sequence[Batch]) -> dict[str, Tensor]:
    """The sum of the clipped gradients over physical batches, by name of the trained parameter, before noise.

    It goes where the sum of a training goes: each batch is stepped as one that more of the same step follow.
    """
    optimizer = engine.optimizer
    trained = {name: p for name, p in engine.model.named_parameters() if p.requires_grad}
    for parameter in trained.values():
        parameter.summed_grad = None  # type: ignore[attr-defined]
    for batch in batches:
        forget(trained.values())
        engine.backward(batch)
        optimizer.signal_skip_step(do_skip=True)
        optimizer.step()
        optimizer.zero_grad()
    found = {name: _taken(parameter) for name, parameter in trained.items()}
    optimizer._is_last_step_skipped = False
    optimizer.zero_grad()
    return found


def forget(parameters: Iterable[nn.Parameter]) -> None:
    """Clear what an earlier batch left behind, but for the sum."""
    for parameter in parameters:
        parameter.grad = None
        if hasattr(parameter, "grad_sample"):
            parameter.grad_sample = None


def _taken(parameter: nn.Parameter) -> Tensor:
    import torch

    found: Tensor | None = getattr(parameter, "summed_grad", None)
    parameter.summed_grad = None  # type: ignore[attr-defined]
    return torch.zeros_like(parameter) if found is None else found.detach()


def norm(tensors: dict[str, Tensor]) -> float:
    """Euclidean norm over all tensors, summed in double precision.

    >>> import torch
    >>> norm({"a": torch.tensor([3.0]), "b": torch.tensor([[4.0]])})
    5.0
    """
    import torch

    return math.hypot(*(float(torch.linalg.vector_norm(t, dtype=torch.float64)) for t in tensors.values()))


def apart(whole: dict[str, Tensor], *parts: dict[str, Tensor]) -> float:
    """Norm of what is left of ``whole`` without ``parts``, a tensor at a time.

    >>> import torch
    >>> apart({"a": torch.tensor([3.0, 9.0])}, {"a": torch.tensor([0.0, 4.0])}, {"a": torch.tensor([0.0, 1.0])})
    5.0
    """
    norms = []
    for name, tensor in whole.items():
        for part in parts:
            tensor = tensor - part[name]
        norms.append(norm({name: tensor}))
    return math.hypot(*norms)


@contextmanager
def clipping_at(engine: Engine, max_grad_norm: float) -> Iterator[None]:
    """Clip at another norm for a while, wherever Opacus and its like keep it: engine, optimizer, wrapped model."""
    holders = [engine, engine.optimizer, *engine.model.modules()]
    kept = [(holder, holder.max_grad_norm) for holder in holders if isinstance(_norm_of(holder), (int, float))]
    try:
        for holder, _ in kept:
            holder.max_grad_norm = max_grad_norm
        yield
    finally:
        for holder, before in kept:
            holder.max_grad_norm = before


def _norm_of(holder: object) -> object:
    return vars(holder).get("max_grad_norm")


@contextmanager
def undisturbed(engine: Engine) -> Iterator[None]:
    """Leave weights, buffers, gradients, the optimizer and every generator byte for byte as they were.

    For the time being dropout is off, since two draws of it cannot be compared, and a trained tensor that is zero
    all over, as an adapter's B is at first, holds small numbers, since A gets no gradient through zeros.
    """
    import torch

    model, optimizer = engine.model, engine.optimizer
    trained = [p for p in model.parameters() if p.requires_grad]
    zeros = [(p, p.detach().clone()) for p in trained if not p.any()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    kept = [(p, p.grad, {name: getattr(p, name, _ABSENT) for name in _LEFT_BEHIND}) for p in trained]
    inner = [(name, getattr(optimizer, name)) for name in ("_is_last_step_skipped", "generator", "step_hook")]
    queue = list(optimizer._step_skip_queue)
    random_state, numpy_state = random.getstate(), np.random.get_state()
    devices = sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})
    restore_dropout = _without_dropout(model)
    with torch.random.fork_rng(devices=devices):
        generator = torch.Generator().manual_seed(0)
        try:
            with torch.no_grad():
                for p, _ in zeros:
                    p.copy_(torch.randn(p.shape, generator=generator).mul_(0.02))
            optimizer._step_skip_queue.clear()
            optimizer._is_last_step_skipped = False
            yield
        finally:
            with torch.no_grad():
                for tensor, before in [*zeros, *buffers]:
                    tensor.copy_(before)
            for p, grad, attributes in kept:
                p.grad = grad
                for name, value in attributes.items():
                    if value is not _ABSENT:
                        setattr(p, name, value)
                    elif hasattr(p, name):
                        delattr(p, name)
            for name, value in inner:
                setattr(optimizer, name, value)
            optimizer._step_skip_queue[:] = queue
            restore_dropout()
            random.setstate(random_state)
            np.random.set_state(numpy_state)


def _without_dropout(model: nn.Module) -> Callable[[], None]:
    """Set every dropout of the model to 0, layers as well as numbers that a layer keeps; return what undoes it."""
    from torch.nn.modules.dropout import _DropoutNd

    kept: list[tuple[nn.Module, str, float]] = []
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, float) and ("drop" in name or (name == "p" and isinstance(module, _DropoutNd))):
                kept.append((module, name, value))
                setattr(module, name, 0.0)

    def undo() -> None:
        for module, name, value in kept:
            setattr(module, name, value)

    return undo
