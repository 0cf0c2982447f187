"""Requests and tokens of a run, by the backend's own tokenizer where it can be had without weights."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from audit.planning.values import Requests

if TYPE_CHECKING:
    from audit.backends import Backend
    from audit.config import Config

# English prose in the vocabularies of today's models; other languages take more tokens.
CHARACTERS: Final = 4.0


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted: rows by task and arm, and the prompts' tokens with and without what they share.

    ``cost`` is in the backend's own measure, what it weighs its batches by; None where
    it has none.
    """

    requests: tuple[Requests, ...]
    computed: int | None
    cost: float | None
    words: str


def count(probes: pa.Table, backend: Backend, config: Config) -> Counted:
    """Count requests and tokens; no weights are loaded and nothing is asked.

    A model that runs here tells its tokens itself; of any other each is taken to have
    so many characters.
    """
    tokens, words = _tokens(probes, backend)
    lengths = [len(run) for run in tokens] if tokens is not None else _by_characters(probes)
    computed = cost = None
    if tokens is not None:
        batches = backend.plan(probes)
        cost = sum(batch.cost for batch in batches)
        computed = sum(_shared([tokens[row] for row in batch.rows.tolist()]) for batch in batches)
    return Counted(_by_arm(probes, lengths, config), computed, cost, words)


def _by_arm(probes: pa.Table, lengths: Sequence[int], config: Config) -> tuple[Requests, ...]:
    found: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    columns = [probes[name].to_pylist() for name in ("task", "arm", "output_form")]
    for task, arm, form, length in zip(*columns, lengths, strict=True):
        draws = config.run.draws if form == "text" else 1
        total = found[task, arm, form]
        total[0] += draws
        total[1] += draws * length
        total[2] += draws * config.run.max_new_tokens if form == "text" else 0
    return tuple(Requests(*place, *total) for place, total in sorted(found.items()))


def _tokens(probes: pa.Table, backend: Backend) -> tuple[list[list[int]] | None, str]:
    """Token ids of every prompt, or None; and in words how they were found."""
    tokenizer: Any = getattr(backend, "tokenizer", None)
    if tokenizer is None:
        return None, f"estimated, {CHARACTERS:g} characters a token"
    from audit.backends import prompts

    system = getattr(backend, "system", None)
    asked = (prompts.with_system(messages, system) for messages in probes["messages"].to_pylist())
    texts = [prompts.render(tokenizer, messages) for messages in asked]
    return prompts.encode(tokenizer, texts), "by the model's own tokenizer"


def _by_characters(probes: pa.Table) -> list[int]:
    return [
        math.ceil(sum(len(message["content"]) for message in messages) / CHARACTERS)
        for messages in probes["messages"].to_pylist()
    ]


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    from audit.backends import trie

    return trie.size(prompts)
