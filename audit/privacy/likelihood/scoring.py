"""From logits to what is kept of each token: its log-probability, how unusual that is, and whether it was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

# Values that are worked on at once: two such blocks of float32 fit the second-level cache of one core.
_CACHED = 200_000
# Below it a distribution counts as having no spread; z is then the distance from the mean over this.
_LEAST_SPREAD = 1e-6
# exp of less is 0 in float32, so that raising what lies below (a logit of −∞, say) to it changes no sum.
_FAR = -200.0


class Statistics(NamedTuple):
    """Of each token: ``logprob`` and ``z``, float32, and ``greedy``, bool; all of shape (tokens,)."""

    logprob: torch.Tensor
    z: torch.Tensor
    greedy: torch.Tensor


def token_statistics(logits: torch.Tensor, targets: torch.Tensor) -> Statistics:
    r"""Read off ``logits`` what the model said of ``targets``.

    With p the distribution that a row of logits stands for and x its target,
    z = (log p(x) − μ) / σ, where μ = Σ p log p and σ² = Σ p log² p − μ² are the mean and
    the variance of the log-probability of a token drawn from p (Min-K%++, Zhang et al.
    2024, arXiv 2404.02936). Both are taken from the largest logit, the variance in two
    passes, so that neither cancels. A target is greedy if it is the first of the
    likeliest tokens, the one that greedy decoding writes.

    Parameters
    ----------
    logits : float tensor of shape (tokens, vocabulary).
    targets : int64 tensor of shape (tokens,).

    Examples
    --------
    Of two tokens with probabilities 3/4 and 1/4 the second is √3 standard deviations
    less likely than the mean; where all are alike nothing is unusual.

    >>> import torch
    >>> logits = torch.tensor([[3.0, 1.0], [3.0, 1.0], [1.0, 1.0]]).log()
    >>> found = token_statistics(logits, torch.tensor([0, 1, 0]))
    >>> [[round(value, 4) for value in kind.tolist()] for kind in found[:2]]
    [[-0.2877, -1.3863, -0.6931], [0.5774, -1.7321, 0.0]]
    >>> found.greedy.tolist()
    [True, False, True]
    """
    import torch

    tokens, vocabulary = logits.shape
    # On a processor each slice stays in the cache from its first pass to its last; a GPU wants large ones.
    rows = max(1, _CACHED // vocabulary) if logits.device.type == "cpu" else max(1, tokens)
    found = [
        _of_slice(some.float(), wanted)
        for some, wanted in zip(torch.split(logits, rows), torch.split(targets, rows), strict=True)
        if len(wanted)
    ]
    if not found:
        none = torch.empty(0, device=logits.device)
        return Statistics(none, none, none.bool())
    return Statistics(*(torch.cat(kind) for kind in zip(*found, strict=True)))


def _of_slice(logits: torch.Tensor, targets: torch.Tensor) -> Statistics:
    import torch

    peak = logits.amax(-1, keepdim=True)
    distance = logits - peak
    chosen = distance.gather(-1, targets[:, None])[:, 0]
    weight = distance.clamp_(min=_FAR).exp()
    total = weight.sum(-1)
    mean = torch.linalg.vecdot(weight, distance) / total
    distance.sub_(mean[:, None])
    spread = (torch.linalg.vecdot(weight.mul_(distance), distance) / total).sqrt()
    greedy = chosen == 0
    if greedy.any():  # among equals torch's max names the first
        greedy[greedy.clone()] = logits[greedy].max(-1).indices == targets[greedy]
    return Statistics(chosen - total.log(), (chosen - mean) / spread.clamp_(min=_LEAST_SPREAD), greedy)
