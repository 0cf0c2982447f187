"""Attention over a token trie, as an attention function of transformers.

The tokens of a whole tree lie in one flat sequence. A token may look at the tokens
before it in its own segment and at its ancestors. Segments that hang below the same
wide segment (their trunk) are computed together: the trunk's keys are read once by
all of them in one matrix product, and what each has for itself (segments between
trunk and itself, then its own tokens) is gathered into one padded batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.backends.trie import Tree

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NAME = "evenhand_tree"
# A segment with so many children is a trunk: its keys are shared, not gathered. More than the
# ten digits below an answer, which would make a trunk, and a group, of every prompt.
TRUNK_WIDTH = 24
# Keywords of attention functions that change the result in ways this one does not know.
UNKNOWN = ("softcap", "s_aux", "position_bias", "cache")


class UnsupportedAttentionError(Exception):
    """The model asks its attention for something that the tree cannot give."""


@dataclass(frozen=True, slots=True)
class Group:
    """Segments computed together. Shapes: R rows, L queries a row, P trunk keys, K own keys."""

    queries: torch.Tensor  # [R, L] places among the new tokens, padded with place 0
    real: torch.Tensor  # [R, L] which of them are no padding
    trunk: torch.Tensor  # [P] places in the flat sequence
    keys: torch.Tensor  # [R, K] places in the flat sequence, padded
    mask: torch.Tensor  # [R, L, K] 0 where a query may look, -inf elsewhere


@dataclass(frozen=True, slots=True)
class Plan:
    """How the new segments of a tree attend; ``deepest`` is the longest path in tokens."""

    groups: tuple[Group, ...]
    deepest: int


_plan: ContextVar[Plan | None] = ContextVar("plan", default=None)


def plan(tree: Tree, first: int, device: Any = None) -> Plan:
    """Plan the attention of segments ``first`` and later; the ones before are in the cache."""
    width: dict[int, int] = defaultdict(int)
    for segment in tree.segments:
        width[segment.parent] += 1
    members: dict[tuple[tuple[int, ...], int], list[int]] = defaultdict(list)
    for number in range(first, len(tree.segments)):
        above = tree.path(number)[:-1]
        wide = [place for place, part in enumerate(above) if width[part] >= TRUNK_WIDTH]
        trunk = tuple(above[: wide[-1] + 1]) if wide else ()
        bucket = tree.segments[number].length.bit_length()
        members[trunk, bucket].append(number)
    origin = tree.segments[first].start
    groups = tuple(_group(tree, trunk, numbers, origin, device) for (trunk, _), numbers in members.items())
    return Plan(groups, max(part.depth + part.length for part in tree.segments))


def _group(tree: Tree, trunk: tuple[int, ...], numbers: list[int], origin: int, device: Any) -> Group:
    import torch

    own = [tree.places([number]) for number in numbers]
    private = [tree.places(tree.path(number)[len(trunk) : -1]) for number in numbers]
    rows, longest = len(numbers), max(map(len, own))
    before = max(map(len, private))
    queries = np.zeros((rows, longest), np.int64)
    real = np.zeros((rows, longest), bool)
    keys = np.zeros((rows, before + longest), np.int64)
    mask = np.full((rows, longest, before + longest), -np.inf, np.float32)
    causal = np.where(np.tri(longest, dtype=bool), 0.0, -np.inf)
    for row, (mine, above) in enumerate(zip(own, private, strict=True)):
        queries[row, : len(mine)] = mine - origin
        real[row, : len(mine)] = True
        keys[row, : len(above)] = above
        keys[row, before : before + len(mine)] = mine
        mask[row, :, : len(above)] = 0.0
        mask[row, :, before:] = causal
    arrays = [torch.from_numpy(array).to(device) for array in (queries, real, tree.places(trunk), keys, mask)]
    return Group(*arrays)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of the plan in force. Shapes [1, heads, tokens, size]; returns [1, tokens, heads, size]."""
    import torch

    current = _plan.get()
    window = kwargs.get("sliding_window")
    strange = [name for name in UNKNOWN if kwargs.get(name) is not None]
    if current is None or attention_mask is not None or strange or (window and window < current.deepest):
        raise UnsupportedAttentionError(", ".join(strange) or "mask or sliding window")
    heads, tokens, size = query.shape[1:]
    key_heads = key.shape[1]
    share = heads // key_heads
    scale = size**-0.5 if scaling is None else scaling
    # [key head, token, share, size]: the heads that share a key stand together
    q = query[0].reshape(key_heads, share, tokens, size).transpose(1, 2) * scale
    k, v = key[0], value[0]
    out = query.new_empty(tokens, key_heads, share, v.shape[-1])
    for group in current.groups:
        rows, length = group.queries.shape
        mine = q[:, group.queries.view(-1)].reshape(key_heads, rows * length * share, size)
        own_k = k[:, group.keys.view(-1)].reshape(key_heads * rows, -1, size)
        own_v = v[:, group.keys.view(-1)].reshape(key_heads * rows, own_k.shape[1], -1)
        scores = torch.bmm(mine.reshape(key_heads * rows, length * share, size), own_k.transpose(1, 2))
        scores = scores.view(key_heads, rows, length, share, -1) + group.mask[:, :, None].to(scores.dtype)
        scores = scores.view(key_heads, rows * length * share, -1)
        trunk = group.trunk.shape[0]
        if trunk:
            trunk_k, trunk_v = k[:, group.trunk], v[:, group.trunk]
            scores = torch.cat([torch.bmm(mine, trunk_k.transpose(1, 2)), scores], dim=-1)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(v.dtype)
        own_weights = weights[..., trunk:].reshape(key_heads * rows, length * share, -1)
        mixed = torch.bmm(own_weights, own_v).view(key_heads, rows * length, share, -1)
        if trunk:
            mixed = mixed + torch.bmm(weights[..., :trunk], trunk_v).view(mixed.shape)
        real = group.real.view(-1)
        out[group.queries.view(-1)[real]] = mixed.transpose(0, 1)[real]
    return out.view(1, tokens, heads, -1), None


@contextmanager
def tree_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let ``model`` use :func:`attend` inside the context."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    before = model.config._attn_implementation
    try:
        model.set_attn_implementation(NAME)
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def using(current: Plan) -> Iterator[None]:
    """Put ``current`` in force for the forward passes inside the context."""
    token = _plan.set(current)
    try:
        yield
    finally:
        _plan.reset(token)
