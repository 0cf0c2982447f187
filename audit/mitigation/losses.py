"""The loss of a unit of privacy: of its own tokens alone, so that no other unit can move it.

A model that is asked for a loss of its own (``model(labels=...)``) averages over all tokens of a batch. A unit's share
of that depends on how long the others are, and its gradient is no longer its own: never do that here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.mitigation.values import Batch

if TYPE_CHECKING:
    from torch import Tensor


def unit_losses(model: Any, batch: Batch) -> Tensor:
    """Σ weight · :func:`row_losses` over each unit's rows; shape (units,)."""
    rows = row_losses(model, batch)
    return rows.new_zeros(batch.units).index_add(0, batch.unit, rows * batch.weight.to(rows.dtype))


def row_losses(model: Any, batch: Batch) -> Tensor:
    """Mean negative log-likelihood a token of each row, of its own tokens alone; shape (rows,)."""
    logits = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        use_cache=False,
    ).logits
    return losses_of_logits(logits, batch)


def losses_of_logits(logits: Tensor, batch: Batch) -> Tensor:
    """Mean over a row's tokens but its first, each read off the place before it; shape (rows,), at least float32.

    Parameters
    ----------
    logits
        Shape (rows, tokens, vocabulary).
    """
    import torch
    from torch.nn.functional import cross_entropy

    wide = torch.promote_types(logits.dtype, torch.float32)
    targets = batch.input_ids[:, 1:]
    read = logits[:, :-1].to(wide)
    losses = cross_entropy(read.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    return (losses * token_weights(batch).to(losses.dtype)).sum(1)


def token_weights(batch: Batch) -> Tensor:
    """What each next token counts in its row's mean: 1 / tokens, 0 where it is padding; float32 of (rows, tokens - 1).

    >>> import torch
    >>> mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]])
    >>> token_weights(Batch(mask, mask, mask, torch.arange(3), torch.ones(3), 3))
    tensor([[0.5000, 0.5000],
            [1.0000, 0.0000],
            [0.0000, 0.0000]])
    """
    import torch

    counted = batch.attention_mask[:, 1:].to(torch.float32)
    return counted / counted.sum(1, keepdim=True).clamp(min=1)
