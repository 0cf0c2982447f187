"""From characters to tokens: spans, truncation, special tokens, chats, and tokenizers without offsets."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import ConfigError
from audit.privacy.likelihood.planning import Encoded, characters, encode, plan
from audit.privacy.likelihood.values import Passage, Span
from tests import tiny

TEXT = "Dear shop, 王小明 ordered 🙂 a toaster."
STRIPPING = (
    "{% for message in messages %}<|turn|>{{ message['role'] }}\n{{ message['content'] | trim }}<|end|>\n{% endfor %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system message') }}{% endif %}" + STRIPPING
CHANGING = "{% for message in messages %}{{ message['content'] | upper }}<|end|>{% endfor %}"


def span_of(text: str, part: str, name: str = "part") -> Span:
    start = text.index(part)
    return Span(name, start, start + len(part))


def tokens_of(tokenizer: Any, found: Encoded, number: int = 0) -> str:
    """The text of a span's tokens; the first token of a passage is not among the scored."""
    _, first, last = found.spans[number]
    return str(tokenizer.decode(found.tokens[1:][first:last].tolist()))


@pytest.mark.parametrize("part", ["王小明", "明", "🙂", "toaster", "op, 王"])
def test_a_span_is_every_token_that_touches_it(words: Any, part: str) -> None:
    found = encode(words, Passage("a", TEXT, (span_of(TEXT, part),)), 256)
    assert part in tokens_of(words, found)
    _, first, last = found.spans[0]
    for shorter in (found.tokens[1:][first + 1 : last], found.tokens[1:][first : last - 1]):
        assert part not in words.decode(shorter.tolist())


def test_bytes_of_one_character_belong_to_its_span_together(words: Any) -> None:
    found = encode(words, Passage("a", TEXT, (span_of(TEXT, "🙂"),)), 256)
    _, first, last = found.spans[0]
    assert last - first >= 4, "the tiny tokenizer has no token for the emoji, so that each byte is one"


def test_a_span_that_is_cut_off_is_left_out(words: Any) -> None:
    passage = Passage("a", TEXT, (span_of(TEXT, "shop"), span_of(TEXT, "王小明"), span_of(TEXT, "toaster")))
    whole = encode(words, passage, 256)
    assert len(whole.spans) == 3 and not whole.truncated
    _, first, last = whole.spans[1]
    for size, kept in ((last + 1, 2), (last, 1), (first + 2, 1)):
        cut = encode(words, passage, size)
        assert cut.truncated and len(cut.tokens) == size
        assert cut.spans == whole.spans[:kept]


def test_a_span_that_holds_the_first_token_is_left_out(words: Any) -> None:
    assert encode(words, Passage("a", TEXT, (Span("greeting", 0, 6),)), 256).spans == ()


def beginning(chat_template: str | None = None) -> Any:
    """A tokenizer that puts a token in front of any text."""
    from tokenizers.processors import TemplateProcessing

    words = tiny.tokenizer(chat_template=chat_template)
    begin = words.convert_tokens_to_ids(tiny.END)
    words._tokenizer.post_processor = TemplateProcessing(single=f"{tiny.END} $A", special_tokens=[(tiny.END, begin)])
    return words


def test_a_begin_token_makes_the_first_word_scored() -> None:
    words = beginning()
    found = encode(words, Passage("a", TEXT, (Span("greeting", 0, 4),)), 256)
    assert found.tokens[0] == words.convert_tokens_to_ids(tiny.END)
    assert found.spans[0][1] == 0
    assert tokens_of(words, found) == "Dear"


def test_compressed_is_what_was_read(words: Any) -> None:
    assert encode(words, Passage("a", TEXT), 256).zlib_bytes == len(zlib.compress(TEXT.encode(), 6))
    assert encode(words, Passage("a", TEXT), 4).zlib_bytes < len(zlib.compress(TEXT.encode(), 6))
    size = len(words("Dear shop,")["input_ids"])
    assert encode(words, Passage("a", TEXT), size).zlib_bytes == len(zlib.compress(b"Dear shop,", 6))


def test_scored_tokens_are_found_again_in_the_text(words: Any) -> None:
    passage = Passage("a", TEXT, (span_of(TEXT, "toaster"),))
    _, first, last = encode(words, passage, 256).spans[0]
    text, start, end = characters(words, passage, (first, last)) or ("", 0, 0)
    assert text == TEXT and "toaster" in text[start:end]


# ---------------------------------------------------------------- chats


CHAT = (("user", "Where is it, 王小明 asks 🙂 ?"), ("assistant", "  Your parcel A-12 is on its way.  "))
PLAIN = "\n".join(f"{role}: {content}" for role, content in CHAT)


@pytest.mark.parametrize("template", [tiny.CHATML, STRIPPING])
def test_a_chat_is_read_as_its_template_writes_it(template: str) -> None:
    words = tiny.tokenizer(chat_template=template)
    parts = ("王小明", "A-12", "🙂")
    passage = Passage("a", PLAIN, tuple(span_of(PLAIN, part, part) for part in parts), CHAT)
    found = encode(words, passage, 256)
    messages = [{"role": role, "content": content} for role, content in CHAT]
    text = words.apply_chat_template(messages, tokenize=False)
    assert found.tokens.tolist() == words(text, add_special_tokens=False)["input_ids"]
    assert [name for name, _, _ in found.spans] == list(parts)
    for number, part in enumerate(parts):
        assert part in tokens_of(words, found, number)
        assert len(tokens_of(words, found, number)) < len(part) + 12


def test_a_template_writes_its_own_begin_token() -> None:
    words = beginning(tiny.CHATML)
    found = encode(words, Passage("a", PLAIN, (), CHAT), 256)
    assert found.tokens[0] == words.convert_tokens_to_ids("<|turn|>")


def test_turns_without_a_template_are_read_as_plain_text(words: Any) -> None:
    passage = Passage("a", PLAIN, (span_of(PLAIN, "A-12"),), CHAT)
    assert encode(words, passage, 256).tokens.tolist() == words(PLAIN)["input_ids"]
    assert "A-12" in tokens_of(words, encode(words, passage, 256))


def test_a_template_without_system_messages_gets_them_with_the_first_question() -> None:
    words = tiny.tokenizer(chat_template=NO_SYSTEM)
    chat = (("system", "You serve王小明."), ("user", "Where is A-12 ?"))
    text = "\n".join(f"{role}: {content}" for role, content in chat)
    found = encode(words, Passage("a", text, (span_of(text, "王小明"), span_of(text, "A-12")), chat), 256)
    assert "王小明" in tokens_of(words, found, 0)
    assert "A-12" in tokens_of(words, found, 1)


def test_a_span_over_what_nobody_says_is_cut_down_or_left_out() -> None:
    words = tiny.tokenizer(chat_template=tiny.CHATML)
    label = Span("label", 0, 5)
    both = Span("both", PLAIN.index("asks"), PLAIN.index("A-12") + 4)
    found = encode(words, Passage("a", PLAIN, (label, both), CHAT), 256)
    assert [name for name, _, _ in found.spans] == ["both"]
    assert "<|turn|>assistant" in tokens_of(words, found)


def test_a_template_that_changes_words_is_told() -> None:
    words = tiny.tokenizer(chat_template=CHANGING)
    with pytest.raises(ConfigError, match="passage 'a': the chat template changes what is said"):
        encode(words, Passage("a", PLAIN, (span_of(PLAIN, "A-12"),), CHAT), 256)
    encode(words, Passage("a", PLAIN, (), CHAT), 256)


def test_turns_that_are_not_in_the_text_are_told() -> None:
    words = tiny.tokenizer(chat_template=tiny.CHATML)
    with pytest.raises(ConfigError, match="passage 'a': its text does not hold what its turns say"):
        encode(words, Passage("a", "Something else A-12", (Span("x", 15, 19),), CHAT), 256)


# ---------------------------------------------------------------- tokenizers without offsets


@pytest.fixture(scope="module")
def slow() -> Any:
    """A tokenizer in Python whose tokens are bytes."""
    from transformers import ByT5Tokenizer

    made = ByT5Tokenizer()
    assert not made.is_fast
    return made


@pytest.mark.parametrize("part", ["王小明", "明", "🙂", "toaster."])
def test_a_tokenizer_without_offsets_finds_spans_too(slow: Any, part: str) -> None:
    found = encode(slow, Passage("a", TEXT, (span_of(TEXT, part),)), 256)
    assert tokens_of(slow, found) == part
    _, first, last = found.spans[0]
    assert last - first == len(part.encode())


def test_a_tokenizer_without_offsets_truncates(slow: Any) -> None:
    found = encode(slow, Passage("a", TEXT, (span_of(TEXT, "shop"), span_of(TEXT, "王小明"))), 14)
    assert [name for name, _, _ in found.spans] == ["part"]
    assert tokens_of(slow, found) == "shop"
    assert found.zlib_bytes == len(zlib.compress(b"Dear shop, \xe7\x8e\x8b", 6))


def test_both_ways_to_find_a_span_agree(words: Any) -> None:
    from audit.privacy.likelihood.slow import slow_ranges

    tokens = words(TEXT)["input_ids"]
    for start in range(len(TEXT)):
        for end in range(start + 1, min(start + 8, len(TEXT) + 1)):
            span = Span("part", start, end)
            found = encode(words, Passage("a", TEXT, (span,)), 256).spans
            first, last = slow_ranges(words, TEXT, tokens, [span])[0]
            # Without offsets a token that only holds the blank before a word may be taken along; none is missed.
            for _, fast_first, fast_last in found:
                assert first <= fast_first + 1 and last >= fast_last + 1, (TEXT[start:end], found, first, last)


# ---------------------------------------------------------------- batches


@given(st.lists(st.integers(0, 60), max_size=80), st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_a_plan_holds_each_passage_once_and_keeps_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan(lengths, budget)
    rows = [row for batch in batches for row in batch.rows.tolist()]
    assert sorted(rows) == [row for row, length in enumerate(lengths) if length > 1]
    for batch in batches:
        width = max(lengths[row] for row in batch.rows)
        assert len(batch.rows) == 1 or width * len(batch.rows) <= budget
        assert batch.cost == width * len(batch.rows)
