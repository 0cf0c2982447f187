"""Texts sampled in left-padded batches, each with random numbers of its own.

The token at a position is drawn by one uniform number keyed by (seed, probe, draw,
position): who else is in the batch, and whether the run was resumed, changes nothing
but rounding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audit.backends.engine import accepted, faithful

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


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
    cached: bool | None = None,
) -> list[Text]:
    """Sample one text a prompt.

    Parameters
    ----------
    prompts
        Token ids; of similar length, since shorter ones are padded on the left.
    noise
        Uniform numbers, shape (prompts, max_new_tokens), see :func:`uniforms`.
    cached
        Keep keys and values from token to token; by default where
        :func:`cache_is_faithful`.
    """
    import torch
    from transformers import DynamicCache

    if cached is None:
        cached = cache_is_faithful(model)

    device = model.device
    rows, width = len(prompts), max(map(len, prompts))
    ids = torch.zeros(rows, width, dtype=torch.long)
    mask = torch.zeros(rows, width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    ids, mask, uniform = ids.to(device), mask.to(device), torch.from_numpy(noise).to(device)
    stops = torch.tensor(stop_tokens(model, tokenizer), device=device)
    written = torch.full((rows, sampling.max_new_tokens), -1, dtype=torch.long, device=device)
    running = torch.arange(rows, device=device)  # rows that still write
    cache = DynamicCache(config=model.config) if cached else None
    step = ids
    for position in range(sampling.max_new_tokens):
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -step.shape[1] :]
        inputs = {"position_ids": positions, "logits_to_keep": 1, "use_cache": cached, "past_key_values": cache}
        logits = model(input_ids=step, attention_mask=mask, **accepted(model, inputs)).logits
        token = pick(logits[:, -1], uniform[running, position], sampling)
        written[running, position] = token
        going = ~torch.isin(token, stops)
        if not bool(going.any()):
            break
        if not bool(going.all()):
            if cache is not None:
                cache.batch_select_indices(going.nonzero()[:, 0])
            running, mask, token, step = running[going], mask[going], token[going], step[going]
        mask = torch.cat([mask, mask.new_ones(len(running), 1)], dim=1)
        step = token[:, None] if cached else torch.cat([step, token[:, None]], dim=1)
    return [_text(tokenizer, row, set(stops.tolist())) for row in written.tolist()]


def cache_is_faithful(model: PreTrainedModel) -> bool:
    """Tell whether a cache gives what the whole sequence gives; a failure of any kind means no.

    A model that keeps a state of its own kind (Mamba, for one) takes no cache of keys
    and values, or takes one and ignores it.
    """
    import torch
    from transformers import DynamicCache

    device = model.device
    if "past_key_values" not in accepted(model, {"past_key_values": None}):
        return False
    size = min(model.get_input_embeddings().weight.shape[0], 30_000)
    ids = torch.from_numpy(np.random.default_rng(0).integers(0, size, (2, 13))).to(device)
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)

    def logits(rows: slice, columns: slice, cache: DynamicCache | None) -> torch.Tensor:
        inputs = {"position_ids": positions[rows, columns], "use_cache": cache is not None, "past_key_values": cache}
        seen = mask[rows, : columns.stop]
        found: torch.Tensor = model(input_ids=ids[rows, columns], attention_mask=seen, **accepted(model, inputs)).logits
        return found[:, -1].float().log_softmax(-1)

    with torch.inference_mode():
        try:
            cache = DynamicCache(config=model.config)
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
