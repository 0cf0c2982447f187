"""From messages to tokens: chat template or plain frame, answer prefix, option forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from audit.errors import BackendError

Message = Mapping[str, str]

# The end of a prompt that decides how what follows is cut into tokens.
_TAIL = 24


def has_template(tokenizer: Any) -> bool:
    """Tell whether the tokenizer carries a chat template."""
    return bool(getattr(tokenizer, "chat_template", None))


def render(tokenizer: Any, messages: Sequence[Message]) -> str:
    """Write ``messages`` as the text that the model goes on from.

    A last message of the assistant is the beginning of the answer. Without a chat
    template the messages become paragraphs of plain text. A template that knows no
    system message gets it as the beginning of the user's.

    Raises
    ------
    BackendError
        If the chat template cannot write the messages.
    """
    turns = [dict(message) for message in messages]
    prefix = turns.pop()["content"] if turns[-1]["role"] == "assistant" else ""
    if not has_template(tokenizer):
        return "\n\n".join([*(turn["content"] for turn in turns), prefix]).rstrip(" ")
    try:
        text = _with_template(tokenizer, turns)
    except BackendError:
        if turns[0]["role"] != "system" or len(turns) < 2:
            raise
        merged = {"role": turns[1]["role"], "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
        text = _with_template(tokenizer, [merged, *turns[2:]])
    return text + prefix.rstrip(" ")


def with_system(messages: Sequence[Message], system: str | None) -> list[Message]:
    r"""``messages`` with ``system`` as their system message, before what theirs says.

    >>> with_system([{"role": "system", "content": "B"}, {"role": "user", "content": "C"}], "A")[0]
    {'role': 'system', 'content': 'A\n\nB'}
    """
    if system is None:
        return list(messages)
    if messages[0]["role"] != "system":
        return [{"role": "system", "content": system}, *messages]
    return [{"role": "system", "content": f"{system}\n\n{messages[0]['content']}"}, *messages[1:]]


def _with_template(tokenizer: Any, turns: Sequence[Message]) -> str:
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    except Exception as error:  # a template says no by raising whatever its author chose
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BackendError(
            f"the model's chat template cannot write the prompt ({reason}); mend its tokenizer"
        ) from error


def encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of rendered prompts; the special tokens of a chat template stand in the text."""
    if not texts:
        return []
    special = not has_template(tokenizer)
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=special)["input_ids"]
    empty = _begin(tokenizer)
    return [row or empty for row in ids]


def _begin(tokenizer: Any) -> list[int]:
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return [int(token)]
    return [0]


class Forms:
    """Tokens of an answer's written forms, as the model would spell them after a prompt."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.known: dict[tuple[str, str], tuple[int, ...]] = {}

    def after(self, prompt: str, form: str) -> tuple[int, ...]:
        """Return the tokens of ``form`` behind ``prompt``.

        Where the answer begins on a new line or in a fresh turn a leading blank is
        dropped. Where prompt and form would melt into one token, the form is cut
        into tokens by itself.
        """
        tail = prompt[-_TAIL:]
        key = (tail, form)
        if key not in self.known:
            self.known[key] = self._cut(tail, form.lstrip(" ") if tail[-1:].isspace() or not tail else form)
        return self.known[key]

    def _cut(self, tail: str, form: str) -> tuple[int, ...]:
        def ids(text: str) -> list[int]:
            found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            return found

        before, whole = ids(tail), ids(tail + form)
        return tuple(whole[len(before) :] if whole[: len(before)] == before else ids(form))
