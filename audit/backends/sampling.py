"""Texts sampled in left-padded batches, each with random numbers of its own.

The token at a position is drawn by one uniform number keyed by (seed, probe, draw,
position): who else is in the batch, and whether the run was resumed, changes nothing
but rounding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from audit.backends import prefill
from audit.backends.engine import accepted, faithful, padded
from audit.backends.models import cache_name
from audit.backends.tree_attention import UnsupportedAttentionError

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel

# How texts are written: from a cache that began as a shared tree, from a cache, or from the whole
# text anew at each token.
Reading = Literal["shared", "cached", "whole"]

# Finished texts stay in the batch, unread, until so small a part of it still writes: taking
# them out copies the whole cache.
KEEP = 0.75


@dataclass(frozen=True, slots=True)
class Sampling:
    """How texts are drawn; ``temperature`` and ``top_p`` as usual."""

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Text:
    """A sampled text; ``finish_reason`` is "stop" or "length"."""

    text: str
    tokens: int
    finish_reason: str


def uniforms(seed: int, probe_id: str, draw: int, count: int) -> npt.NDArray[np.float64]:
    """Return ``count`` uniform numbers in [0, 1), one a position.

    A longer run begins with the same numbers:

    >>> bool((uniforms(7, "a", 0, 3) == uniforms(7, "a", 0, 9)[:3]).all())
    True
    """
    digest = hashlib.blake2b(f"{seed}\x1f{probe_id}\x1f{draw}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little"))).random(count)


def pick(logits: torch.Tensor, uniform: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Draw one token a row by inverting the cumulative distribution.

    Parameters
    ----------
    logits
        Shape (rows, vocabulary).
    uniform
        Shape (rows,), in [0, 1).

    Returns
    -------
    torch.Tensor
        Token ids, shape (rows,). Tokens are ordered by id, or by probability under
        ``top_p`` < 1 (nucleus sampling, Holtzman et al. 2020).
    """
    import torch

    probs = torch.softmax(logits.float() / sampling.temperature, dim=-1)
    order = None
    if sampling.top_p < 1:
        probs, order = probs.sort(dim=-1, descending=True, stable=True)
        before = probs.cumsum(-1) - probs
        probs = probs.masked_fill(before >= sampling.top_p, 0.0)
    total = probs.cumsum(-1, dtype=torch.float64)
    # right=True: a token of probability 0 is never drawn, even by a uniform of exactly 0
    place = torch.searchsorted(total, (uniform[:, None].double() * total[:, -1:]), right=True)
    place = place.clamp(max=logits.shape[-1] - 1)
    chosen: torch.Tensor = (place if order is None else order.gather(1, place))[:, 0]
    return chosen


def stop_tokens(model: PreTrainedModel, tokenizer: Any) -> list[int]:
    """Token ids that end a text, of the generation config and the tokenizer."""
    named = getattr(model.generation_config, "eos_token_id", None)
    found = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    return sorted(int(token) for token in found if token is not None)


def sample(
    model: PreTrainedModel,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    noise: npt.NDArray[np.float64],
    sampling: Sampling,
    *,
    reading: Reading | None = None,
) -> list[Text]:
    """Sample one text a prompt.

    Parameters
    ----------
    prompts
        Token ids; of similar length, since shorter ones are padded on the left.
    noise
        Uniform numbers, shape (prompts, max_new_tokens), see :func:`uniforms`.
    reading
        How the model may be run; by default what :func:`cache_is_faithful` allows.
    """
    import torch

    if reading is None:
        reading = "cached" if cache_is_faithful(model) else "whole"
    device = model.device
    uniform = torch.from_numpy(noise).to(device)
    stops = torch.tensor(stop_tokens(model, tokenizer), device=device)
    written = torch.full(noise.shape, -1, dtype=torch.long, device=device)
    rows = torch.arange(len(prompts), device=device)  # what the batch still holds
    going = torch.ones_like(rows, dtype=torch.bool)  # which of them still write
    ids, mask = (tensor.to(device) for tensor in padded(prompts))
    logits, cache = _begin(model, prompts, ids, mask, reading, sampling.max_new_tokens)
    for position in range(sampling.max_new_tokens):
        token = pick(logits, uniform[rows, position], sampling)
        written[rows[going], position] = token[going]
        going &= ~torch.isin(token, stops)
        if not bool(going.any()) or position + 1 == sampling.max_new_tokens:
            break
        if int(going.sum()) <= KEEP * len(rows):
            if cache is not None:
                cache.batch_select_indices(going.nonzero()[:, 0])
            rows, mask, token, ids, going = rows[going], mask[going], token[going], ids[going], going[going]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        ids = token[:, None] if cache is not None else torch.cat([ids, token[:, None]], dim=1)
        logits = _step(model, ids, mask, cache)
    return [_text(tokenizer, row, set(stops.tolist())) for row in written.tolist()]


def _begin(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    ids: torch.Tensor,
    mask: torch.Tensor,
    reading: Reading,
    room: int,
) -> tuple[torch.Tensor, Cache | None]:
    """Logits of the first token and the cache to go on with."""
    if reading == "shared":
        try:
            return prefill.shared(model, prompts, room)
        except UnsupportedAttentionError:  # prompts longer than the model's sliding window
            reading = "cached"
    cache = prefill.empty(model) if reading == "cached" else None
    return _step(model, ids, mask, cache), cache


def _step(model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, cache: Cache | None) -> torch.Tensor:
    """Logits of the next token after ``ids``, which are the last of what ``mask`` covers."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    inputs = {"position_ids": positions, "logits_to_keep": 1, "use_cache": cache is not None, cache_name(model): cache}
    logits: torch.Tensor = model(input_ids=ids, attention_mask=mask, **accepted(model, inputs)).logits
    return logits[:, -1]


def cache_is_faithful(model: PreTrainedModel) -> bool:
    """Tell whether a cache gives what the whole sequence gives; a failure of any kind means no.

    A model that keeps a state of its own kind (Mamba, for one) takes no cache of keys
    and values, or takes one and ignores it.
    """
    import torch

    device = model.device
    if not accepted(model, {cache_name(model): None}):
        return False
    size = min(model.get_input_embeddings().weight.shape[0], 30_000)
    ids = torch.from_numpy(np.random.default_rng(0).integers(0, size, (2, 13))).to(device)
    mask = torch.ones_like(ids)
    mask[1, :4] = 0

    def logits(rows: slice, columns: slice, cache: Cache | None) -> torch.Tensor:
        found = _step(model, ids[rows, columns], mask[rows, : columns.stop], cache)
        return found.float().log_softmax(-1)

    with torch.inference_mode():
        try:
            cache = prefill.empty(model)
            logits(slice(0, 2), slice(0, 12), cache)
            cache.batch_select_indices(torch.tensor([1], device=device))
            gap = logits(slice(1, 2), slice(12, 13), cache) - logits(slice(1, 2), slice(0, 13), None)
        except Exception:  # a model with a cache of its own may fail in any way
            return False
    return bool(gap.abs().max() < faithful(model))


def _text(tokenizer: Any, row: Sequence[int], stops: set[int]) -> Text:
    ids = [token for token in row if token >= 0]
    stopped = bool(ids) and ids[-1] in stops
    text = tokenizer.decode([token for token in ids if token not in stops], skip_special_tokens=True)
    return Text(text.strip(), len(ids), "stop" if stopped else "length")
