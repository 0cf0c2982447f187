"""A chat as its template writes it, and where in it the stretches of the plain text stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.backends.prompts import has_template
from audit.errors import BackendError, ConfigError, first_line
from audit.privacy.likelihood.values import Passage, Span

Turns = Sequence[tuple[str, str]]
_BETWEEN = "\n\n"


def written(tokenizer: Any, passage: Passage) -> tuple[str, tuple[Span, ...], bool]:
    """Return the text that the model reads, the spans in it, and whether a chat template wrote it.

    A span whose ends lie outside what anybody says is cut down to that; one that holds
    none of it is left out.

    Raises
    ------
    BackendError
        If the chat template cannot write the turns.
    ConfigError
        If the turns are not in the passage's text, or the template changes their words.
    """
    if not passage.turns or not has_template(tokenizer):
        return passage.text, passage.spans, False
    try:
        text, frame = _write(tokenizer, passage.turns), _frame(tokenizer, passage.turns)
    except BackendError:
        if passage.turns[0][0] != "system" or len(passage.turns) < 2:
            raise
        # A template that knows no system message gets it as the beginning of the user's, as when it is asked.
        (_, first), (role, second), *rest = passage.turns
        turns = [(role, first + _BETWEEN + second), *rest]
        text, (ahead, *others) = _write(tokenizer, turns), _frame(tokenizer, turns)
        frame = [ahead, _BETWEEN, *others]
    if not passage.spans:
        return text, (), True
    pairs = _pairs(passage, text, frame)
    moved = (_moved(span, pairs) for span in passage.spans)
    return text, tuple(span for span in moved if span is not None), True


def _write(tokenizer: Any, turns: Turns) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False))
    except Exception as error:  # a template says no by raising whatever its author chose
        raise BackendError(
            f"the model's chat template cannot write a chat ({first_line(error)}); mend its tokenizer"
        ) from error


def _frame(tokenizer: Any, turns: Turns) -> list[str]:
    """What the template writes before each turn's content."""
    marks = [f"\ue000{number}\ue001" for number in range(len(turns))]
    text = _write(tokenizer, [(role, mark) for (role, _), mark in zip(turns, marks, strict=True)])
    pieces = []
    for mark in marks:
        piece, _, text = text.partition(mark)
        pieces.append(piece)
    return pieces


def _pairs(passage: Passage, text: str, frame: Sequence[str]) -> list[tuple[int, int, int]]:
    """Start in the passage, start in ``text`` and length of all that was said; templates may strip it."""
    found = []
    here = there = 0
    for piece, (_, content) in zip(frame, passage.turns, strict=True):
        there += len(piece)
        said = content if text.startswith(content, there) else content.strip()
        if not text.startswith(said, there):
            raise ConfigError(
                f"passage {passage.passage_id!r}: the chat template changes what is said, so that no place in it can "
                "be found again; leave out its turns, or its spans"
            )
        place = passage.text.find(said, here)
        if place < 0:
            raise ConfigError(
                f"passage {passage.passage_id!r}: its text does not hold what its turns say; "
                "write the turns into the text, in their order"
            )
        found.append((place, there, len(said)))
        here, there = place + len(said), there + len(said)
    return found


def _moved(span: Span, pairs: Sequence[tuple[int, int, int]]) -> Span | None:
    places = [
        (there + max(span.start, here) - here, there + min(span.end, here + length) - here)
        for here, there, length in pairs
        if span.start < here + length and here < span.end
    ]
    return Span(span.name, places[0][0], places[-1][1]) if places else None
