"""Next-token log-probabilities for many prompts: over a shared tree, or in plain batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from audit.backends import tree_attention
from audit.backends.models import cache_name
from audit.backends.trie import Tokens, Tree, build

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Ends whose logits are held at once: 512 ends of 150,000 words are 300 MB in float32.
ENDS = 512
# How far the tree may be from a plain forward pass, in natural log, before it is not used.
FAITHFUL = {"float32": 1e-3, "bfloat16": 0.25, "float16": 0.05}


class Session(Protocol):
    """Prompts opened together, and what was spelled out behind them.

    Both methods return the new ends' numbers and the log-probabilities, shape (ends,
    columns), of the tokens ``columns`` as the next one.
    """

    def open(self, prompts: Sequence[Tokens]) -> tuple[list[int], npt.NDArray[np.float64]]:
        """Begin with ``prompts``."""
        ...

    def extend(self, ends: Sequence[int], tokens: Sequence[Tokens]) -> tuple[list[int], npt.NDArray[np.float64]]:
        """Go on from each of ``ends`` with its ``tokens``."""
        ...


class TreeSession:
    """Everything shared is computed once; earlier keys and values stay in the cache."""

    def __init__(self, model: PreTrainedModel, columns: Sequence[int]) -> None:
        from transformers import DynamicCache

        self.model = model
        self.columns = columns
        self.tree = Tree()
        # Without the config: a cache for sliding windows would drop what the flat sequence still needs.
        self.cache = DynamicCache()

    def open(self, prompts: Sequence[Tokens]) -> tuple[list[int], npt.NDArray[np.float64]]:
        """See :class:`Session`."""
        self.tree, ends = build(prompts)
        return ends, self._forward(0, ends)

    def extend(self, ends: Sequence[int], tokens: Sequence[Tokens]) -> tuple[list[int], npt.NDArray[np.float64]]:
        """See :class:`Session`."""
        new, found = [], []
        for start in range(0, len(ends), ENDS):
            first = len(self.tree.segments)
            pairs = zip(ends[start : start + ENDS], tokens[start : start + ENDS], strict=True)
            chunk = [self.tree.add(end, run) for end, run in pairs]
            new += chunk
            found.append(self._forward(first, chunk))
        return new, np.concatenate(found) if found else np.empty((0, len(self.columns)))

    def _forward(self, first: int, ends: Sequence[int]) -> npt.NDArray[np.float64]:
        import torch

        tree, device = self.tree, self.model.device
        origin = tree.segments[first].start
        with tree_attention.using(tree_attention.plan(tree, first, device)):
            keep = torch.tensor([tree.last(end) - origin for end in ends], device=device)
            logits = self.model(
                input_ids=torch.tensor([tree.tokens[origin:]], device=device),
                position_ids=torch.from_numpy(tree.positions()[origin:])[None].to(device),
                use_cache=True,
                logits_to_keep=keep,
                **{cache_name(self.model): self.cache},
            ).logits[0]
        return log_probabilities(logits, self.columns)


class PlainSession:
    """Every prompt whole, in left-padded batches: for models that the tree does not fit."""

    def __init__(self, model: PreTrainedModel, columns: Sequence[int], batch_tokens: int) -> None:
        self.model = model
        self.columns = columns
        self.batch_tokens = batch_tokens
        self.sequences: list[list[int]] = []

    def open(self, prompts: Sequence[Tokens]) -> tuple[list[int], npt.NDArray[np.float64]]:
        """See :class:`Session`."""
        first = len(self.sequences)
        self.sequences += [list(prompt) for prompt in prompts]
        new = list(range(first, len(self.sequences)))
        return new, self._forward(new)

    def extend(self, ends: Sequence[int], tokens: Sequence[Tokens]) -> tuple[list[int], npt.NDArray[np.float64]]:
        """See :class:`Session`."""
        return self.open([[*self.sequences[end], *run] for end, run in zip(ends, tokens, strict=True)])

    def _forward(self, numbers: Sequence[int]) -> npt.NDArray[np.float64]:
        found = np.empty((len(numbers), len(self.columns)))
        order = sorted(range(len(numbers)), key=lambda place: len(self.sequences[numbers[place]]))
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and stop - start < ENDS:
                width = len(self.sequences[numbers[order[stop]]])
                if width * (stop + 1 - start) > self.batch_tokens:
                    break
                stop += 1
            places = order[start:stop]
            ids, mask = padded([self.sequences[numbers[place]] for place in places])
            ids, mask = ids.to(self.model.device), mask.to(self.model.device)
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            extra = accepted(self.model, {"position_ids": positions, "use_cache": False, "logits_to_keep": 1})
            logits = self.model(input_ids=ids, attention_mask=mask, **extra).logits[:, -1]
            found[places] = log_probabilities(logits, self.columns)
            start = stop
        return found


class Engine:
    """Gives sessions on one model; ``name`` tells which kind, for the manifest."""

    def __init__(self, model: PreTrainedModel, precision: str, batch_tokens: int, sharing: bool | None = None) -> None:
        self.model = model
        self.batch_tokens = batch_tokens
        self.sharing = _tree_is_faithful(model, FAITHFUL[precision]) if sharing is None else sharing

    @property
    def name(self) -> str:
        """Words for the manifest."""
        return "shared-prefix tree" if self.sharing else "plain batches"

    def plain(self) -> Engine:
        """Return the same model in plain batches."""
        return Engine(self.model, "float32", self.batch_tokens, sharing=False)

    def context(self) -> AbstractContextManager[None]:
        """Must be open around the sessions."""
        return tree_attention.tree_attention(self.model) if self.sharing else nullcontext()

    def session(self, columns: Sequence[int]) -> Session:
        """Begin a session that tells log-probabilities of the tokens ``columns``."""
        if self.sharing:
            return TreeSession(self.model, columns)
        return PlainSession(self.model, columns, self.batch_tokens)


def log_probabilities(logits: torch.Tensor, columns: Sequence[int]) -> npt.NDArray[np.float64]:
    """Natural log-probabilities of ``columns``; logits have shape (ends, vocabulary)."""
    import torch

    logits = logits.float()
    chosen = logits[:, torch.tensor(list(columns), dtype=torch.long, device=logits.device)]
    result: npt.NDArray[np.float64] = (chosen - logits.logsumexp(-1, keepdim=True)).double().cpu().numpy()
    return result


def padded(prompts: Sequence[Tokens]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids padded on the left, and the mask of what is no padding; shape (prompts, longest)."""
    import torch

    width = max(map(len, prompts))
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(list(prompt))
        mask[row, width - len(prompt) :] = 1
    return ids, mask


def accepted(model: PreTrainedModel, inputs: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the model's forward does not take (position_ids, for one)."""
    import inspect

    known = inspect.signature(model.forward).parameters
    return {name: value for name, value in inputs.items() if name in known}


def faithful(model: PreTrainedModel) -> float:
    """Return how far two ways through ``model`` may lie apart, in natural log, to count as the same."""
    return FAITHFUL[str(model.dtype).removeprefix("torch.")]


def padding_is_faithful(model: PreTrainedModel) -> bool:
    """Tell whether padding on the left leaves a prompt's answer alone; some models overlook the mask.

    Ten times as far apart as a tree may be, since a model that fails is refused.
    """
    import torch

    size = min(model.get_input_embeddings().weight.shape[0], 30_000)
    numbers = np.random.default_rng(0).integers(0, size, (2, 24)).tolist()
    columns = list(range(0, size, max(1, size // 500)))
    with torch.inference_mode():
        _, alone = PlainSession(model, columns, 1).open([numbers[0][:9], numbers[1]])
        _, padded = PlainSession(model, columns, 4096).open([numbers[0][:9], numbers[1]])
    return bool(np.abs(alone - padded).max() < 10 * faithful(model))


def _tree_is_faithful(model: PreTrainedModel, bound: float) -> bool:
    """Compare tree and plain passes on a small forest of made-up tokens; a failure of any kind means no."""
    import torch

    size = min(model.get_input_embeddings().weight.shape[0], 30_000)
    numbers = np.random.default_rng(0).integers(0, size, (3, 40)).tolist()
    prompts = [numbers[0][:20] + numbers[1][:5], numbers[0][:20] + numbers[2][:9], numbers[1][:12], numbers[0][:20]]
    prompts += [[*numbers[0][:20], token] for token in numbers[2][:26]]
    columns = list(range(0, size, max(1, size // 500)))
    with torch.inference_mode():
        try:
            with tree_attention.tree_attention(model):
                tree = TreeSession(model, columns)
                ends, first = tree.open(prompts)
                _, second = tree.extend(ends[:2], [numbers[2][10:13], numbers[2][20:21]])
        except Exception:  # a model with an attention of its own may fail in any way
            return False
        plain = PlainSession(model, columns, 4096)
        ends, expected = plain.open(prompts)
        _, expected_second = plain.extend(ends[:2], [numbers[2][10:13], numbers[2][20:21]])
    gap = max(np.abs(first - expected).max(), np.abs(second - expected_second).max())
    return bool(gap < bound)
