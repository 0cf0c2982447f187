"""Spans in tokens for tokenizers that do not tell where in a text a token stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.privacy.likelihood.values import Span


def slow_ranges(tokenizer: Any, text: str, tokens: Sequence[int], spans: Sequence[Span]) -> list[tuple[int, int]]:
    """First and last of the ``tokens`` of ``text`` that overlap each of ``spans``; (0, 0) where none does.

    What a beginning of the text is cut into tells which tokens stand before its end.
    """
    if not spans:
        return []
    bare = _ids(tokenizer, text)
    # Special tokens that the tokenizer adds in front.
    ahead = next((place for place in range(len(tokens)) if list(tokens[place : place + len(bare)]) == bare), None)
    if ahead is None:
        return [(0, 0)] * len(spans)
    found = []
    for span in spans:
        first, last = _before(tokenizer, text, bare, span.start), _until(tokenizer, text, bare, span.end)
        found.append((ahead + first, ahead + last) if first < last else (0, 0))
    return found


def _before(tokenizer: Any, text: str, tokens: Sequence[int], place: int) -> int:
    """How many tokens end before ``place``: those that the text up to there begins with as well."""
    count = 0
    for mine, whole in zip(_ids(tokenizer, text[:place]), tokens, strict=False):
        if mine != whole:
            break
        count += 1
    return count


def _until(tokenizer: Any, text: str, tokens: Sequence[int], place: int) -> int:
    """How many tokens begin before ``place``: those of the shortest text from there on that ends where a token does."""
    for end in range(place, len(text)):
        some = _ids(tokenizer, text[:end])
        if some == list(tokens[: len(some)]):
            return len(some)
    return len(tokens)


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
