"""Prompts read into a cache that texts are sampled from: shared beginnings once, room for what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.backends import tree_attention
from audit.backends.models import cache_name
from audit.backends.trie import Tokens, build

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel


def empty(model: PreTrainedModel) -> Cache:
    """Make the cache that transformers would make."""
    from transformers import DynamicCache

    return DynamicCache(config=model.config)


def shared(model: PreTrainedModel, prompts: Sequence[Tokens], room: int) -> tuple[torch.Tensor, Cache]:
    """Read ``prompts`` as a tree, then lay each one's keys and values out by itself.

    For models whose tree attention was found faithful.

    Returns
    -------
    (logits, cache)
        Next-token logits, shape (prompts, vocabulary), and a cache as if the prompts had
        been padded on the left, with ``room`` for so many further tokens.
    """
    import torch
    from transformers import Cache, DynamicCache

    tree, ends = build(prompts)
    flat = DynamicCache()
    with tree_attention.tree_attention(model), tree_attention.using(tree_attention.plan(tree, 0, model.device)):
        logits = model(
            input_ids=torch.tensor([tree.tokens], device=model.device),
            position_ids=torch.from_numpy(tree.positions())[None].to(model.device),
            use_cache=True,
            logits_to_keep=torch.tensor([tree.last(end) for end in ends], device=model.device),
            **{cache_name(model): flat},
        ).logits[0]
    width = max(map(len, prompts))
    places = np.zeros((len(prompts), width), np.int64)
    for row, end in enumerate(ends):
        run = tree.places(tree.path(end))
        places[row, width - len(run) :] = run
    where = torch.from_numpy(places).to(model.device)
    layers = []
    while flat.layers:  # each layer is dropped once it is laid out
        layer = flat.layers.pop(0)
        layers.append(roomy(layer.keys[0][:, where].transpose(0, 1), layer.values[0][:, where].transpose(0, 1), room))
    return logits, Cache(layers=layers)


def roomy(keys: torch.Tensor, values: torch.Tensor, room: int) -> Any:
    """Make a cache layer that begins with ``keys`` and ``values`` and writes ``room`` more tokens in place.

    transformers' own dynamic layer copies everything at each token.
    """
    from transformers.cache_utils import DynamicLayer

    class RoomyLayer(DynamicLayer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lazy_initialization(keys, values)
            rows, heads, self.length, _ = keys.shape
            self.all_keys = keys.new_empty(rows, heads, self.length + room, keys.shape[-1])
            self.all_values = values.new_empty(rows, heads, self.length + room, values.shape[-1])
            self.all_keys[:, :, : self.length] = keys
            self.all_values[:, :, : self.length] = values
            self._show()

        def _show(self) -> None:
            self.keys = self.all_keys[:, :, : self.length]
            self.values = self.all_values[:, :, : self.length]

        def update(
            self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            until = self.length + key_states.shape[-2]
            self.all_keys[:, :, self.length : until] = key_states
            self.all_values[:, :, self.length : until] = value_states
            self.length = until
            self._show()
            return self.keys, self.values

        def batch_select_indices(self, indices: torch.Tensor) -> None:
            self.all_keys, self.all_values = self.all_keys[indices], self.all_values[indices]
            self._show()

    return RoomyLayer()
