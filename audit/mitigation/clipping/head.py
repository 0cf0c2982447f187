"""The head and the loss in one: logits are computed once and turned, in place, into the loss's gradient by them.

A training that asks for logits, their log-softmax and the gradients of both holds each: at 8 × 128 tokens and
49,152 words 200 MB a piece. Here one is held where the head is trained, and a few rows of one where it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from audit.mitigation.losses import token_weights

if TYPE_CHECKING:
    from torch import Tensor

    from audit.mitigation.values import Batch

# Values of logits that are held at a time where the head is frozen; and of those that are worked on in the cache.
_HELD: Final = 1 << 24
_CACHED: Final = 1 << 19


@dataclass(frozen=True, slots=True)
class Through:
    """What the head gives: losses of rows; the gradients of Σ weight · loss by the hidden states and by the logits.

    ``logits`` is None where nobody asked for it. The last token predicts nothing: it has one place fewer than
    ``hidden``.
    """

    losses: Tensor
    hidden: Tensor
    logits: Tensor | None


def head_of(model: Any) -> nn.Linear | None:
    """The layer that gives the logits, if nothing but that plain layer does; None otherwise.

    A model may scale or cap its logits. So it is asked once, with two tokens.
    """
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if type(head) is not nn.Linear:
        return None
    seen: list[Any] = []
    handle = head.register_forward_hook(lambda module, given, out: seen.append((given[0], out)))
    training = model.training
    try:
        model.eval()
        ids = torch.zeros((1, 2), dtype=torch.int64, device=head.weight.device)
        positions = torch.arange(2, device=ids.device)[None]
        with torch.no_grad():
            given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "position_ids": positions}
            logits = model(**given, use_cache=False).logits
    finally:
        handle.remove()
        model.train(training)
    if len(seen) != 1:
        return None
    hidden, out = seen[0]
    same = out.data_ptr() == logits.data_ptr() and out.shape == logits.shape and hidden.shape[:2] == ids.shape
    return head if same else None


@contextmanager
def passed_over(head: nn.Linear) -> Iterator[None]:
    """Let the head hand on what it reads."""
    head.forward = lambda hidden: hidden  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del head.forward


def through(head: nn.Linear, hidden: Tensor, batch: Batch, *, keep: bool) -> Through:
    """Losses and gradients from hidden states, shape (rows, tokens, width); ``keep`` also those of the logits."""
    shape = batch.input_ids[:, 1:].shape
    read = hidden.detach()[:, :-1].reshape(-1, hidden.shape[-1])
    targets = batch.input_ids[:, 1:].flatten()
    wide = torch.promote_types(hidden.dtype, torch.float32)
    means = token_weights(batch).to(wide)
    weights = (means * batch.weight[:, None].to(wide)).flatten()
    vocabulary = head.out_features
    losses = read.new_zeros(len(read), dtype=wide)
    back = torch.zeros_like(read)
    if keep:
        logits = _logits(head, read, wide)
        losses.copy_(_to_gradients(logits, targets, weights))
        torch.mm(logits.to(read.dtype), head.weight.detach(), out=back)
    else:
        counted = weights.nonzero().squeeze(1)  # padding is left out
        for rows in counted.split(max(1, _HELD // vocabulary)):  # type: ignore[no-untyped-call]
            part = _logits(head, read[rows], wide)
            losses[rows] = _to_gradients(part, targets[rows], weights[rows])
            back[rows] = part.to(read.dtype) @ head.weight.detach()
    by_row = (losses.view(shape) * means).sum(1)
    whole = torch.zeros_like(hidden, memory_format=torch.contiguous_format).detach()
    whole[:, :-1] = back.view(*shape, whole.shape[-1])
    return Through(by_row, whole, logits.view(*shape, vocabulary) if keep else None)


def _logits(head: nn.Linear, read: Tensor, wide: torch.dtype) -> Tensor:
    bias = None if head.bias is None else head.bias.detach()
    return nn.functional.linear(read, head.weight.detach(), bias).to(wide)


def _to_gradients(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Turn logits into weight · (softmax − onehot), in place; return each place's negative log-likelihood."""
    losses = []
    size = max(1, _CACHED // logits.shape[1])
    for part, aims, shares in zip(*(each.split(size) for each in (logits, targets, weights)), strict=True):  # type: ignore[no-untyped-call]
        aim = aims[:, None]
        part.sub_(part.amax(1, keepdim=True))
        aimed = part.gather(1, aim)
        part.exp_()
        total = part.sum(1, keepdim=True)
        losses.append((total.log() - aimed).squeeze(1))
        part.mul_(shares[:, None] / total)
        part.scatter_add_(1, aim, -shares[:, None])
    return torch.cat(losses) if losses else logits.new_zeros(0)
