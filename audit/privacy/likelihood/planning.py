"""From passages to tokens, their spans in tokens, and batches of about the same length."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.backends.protocol import Batch
from audit.privacy.likelihood.chats import written
from audit.privacy.likelihood.slow import slow_ranges
from audit.privacy.likelihood.values import Passage, Span

# First and last of the tokens that a span touches, the last one not counted in.
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A passage as the model reads it: ``tokens`` are all that it reads, the first one unscored.

    ``spans`` are (name, first, last) among the scored tokens; ``zlib_bytes`` the length
    of the text read, compressed.
    """

    tokens: npt.NDArray[np.int32]
    spans: tuple[tuple[str, int, int], ...]
    zlib_bytes: int
    truncated: bool


def encode(tokenizer: Any, passage: Passage, max_tokens: int) -> Encoded:
    """Cut ``passage`` into at most ``max_tokens`` tokens.

    A chat is written by the chat template, if the tokenizer has one; other text gets the
    special tokens that the tokenizer adds to any text. A token that overlaps a span
    belongs to it. A span is left out unless all of its tokens are scored: if it is cut
    off, or holds the first token, it has no probability.
    """
    text, spans, chat = written(tokenizer, passage)
    fast = bool(getattr(tokenizer, "is_fast", False))
    # verbose=False: no word about a text that is longer than the model takes; it is cut.
    found = tokenizer(text, add_special_tokens=not chat, return_offsets_mapping=fast, verbose=False)
    tokens = np.array(found["input_ids"], np.int32)
    truncated = len(tokens) > max_tokens
    if fast:
        offsets = np.array(found["offset_mapping"], np.int64).reshape(-1, 2)
        ranges = [overlap(offsets, span) for span in spans]
        read = text[: offsets[:max_tokens, 1].max(initial=0)] if truncated else text
    else:
        ranges = slow_ranges(tokenizer, text, tokens.tolist(), spans)
        read = tokenizer.decode(tokens[:max_tokens].tolist(), skip_special_tokens=True) if truncated else text
    return Encoded(
        tokens=tokens[:max_tokens],
        spans=tuple(
            (span.name, first - 1, last - 1)
            for span, (first, last) in zip(spans, ranges, strict=True)
            if 0 < first < last <= max_tokens
        ),
        zlib_bytes=len(zlib.compress(read.encode("utf-8", "surrogatepass"), 6)),
        truncated=truncated,
    )


def characters(tokenizer: Any, passage: Passage, scored: Range) -> tuple[str, int, int] | None:
    """Where the ``scored`` tokens [first, last) stand: the text that the model reads, and start and end in it.

    None where the tokenizer cannot tell, or they stand nowhere.
    """
    text, _, chat = written(tokenizer, passage)
    if not getattr(tokenizer, "is_fast", False):
        return None
    found = tokenizer(text, add_special_tokens=not chat, return_offsets_mapping=True, verbose=False)
    places = [place for place in found["offset_mapping"][scored[0] + 1 : scored[1] + 1] if place[0] < place[1]]
    return (text, places[0][0], places[-1][1]) if places else None


def overlap(offsets: npt.NDArray[np.int64], span: Span) -> Range:
    """First and last of the tokens that overlap ``span``; (0, 0) where none does.

    ``offsets`` has shape (tokens, 2): where in the text each begins and ends. Special
    tokens stand nowhere, so that theirs are equal.

    >>> overlap(np.array([[0, 0], [0, 3], [3, 9], [9, 10]]), Span("name", 4, 10))
    (2, 4)
    """
    start, end = offsets[:, 0], offsets[:, 1]
    touched = np.flatnonzero((start < span.end) & (end > span.start) & (start < end))
    return (int(touched[0]), int(touched[-1]) + 1) if len(touched) else (0, 0)


def plan(lengths: Sequence[int], batch_tokens: int) -> list[Batch]:
    """Put passages of about the same length together, at most ``batch_tokens`` with the padding.

    Depends on nothing but ``lengths``, in tokens; passages of fewer than two tokens have
    nothing to score and are left out.

    >>> [batch.rows.tolist() for batch in plan([5, 90, 6, 1, 200], 100)]
    [[0, 2], [1], [4]]
    """
    order = sorted((row for row, length in enumerate(lengths) if length > 1), key=lambda row: (lengths[row], row))
    batches, start = [], 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and lengths[order[stop]] * (stop + 1 - start) <= batch_tokens:
            stop += 1
        rows = np.array(order[start:stop], np.int64)
        cost = float(lengths[order[stop - 1]] * len(rows))
        batches.append(Batch("passage", rows, np.zeros(len(rows), np.int32), cost))
        start = stop
    return batches
