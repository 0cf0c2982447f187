from __future__ import annotations

from typing import Any

import pytest

from audit.backends.prompts import Forms, encode, has_template, render
from audit.errors import BackendError
from tests import tiny

SYSTEM = {"role": "system", "content": "You mind the till."}
USER = {"role": "user", "content": "May I return it?"}
BEGUN = {"role": "assistant", "content": "Answer:"}
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + tiny.CHATML


def with_template(template: str) -> Any:
    return tiny.tokenizer(chat_template=template)


def test_without_a_template_messages_are_paragraphs(words: Any) -> None:
    assert not has_template(words)
    assert render(words, [SYSTEM, USER, BEGUN]) == "You mind the till.\n\nMay I return it?\n\nAnswer:"


def test_without_an_answer_begun_the_answer_has_a_paragraph_of_its_own(words: Any) -> None:
    assert render(words, [USER]) == "May I return it?\n\n"


def test_a_sentence_begun_is_all_there_is_to_go_on_from(words: Any) -> None:
    begun = {"role": "assistant", "content": "I love shopping online because "}
    assert render(words, [USER, begun]).endswith("\n\nI love shopping online because")


def test_a_template_writes_the_turns_and_opens_the_answer() -> None:
    text = render(with_template(tiny.CHATML), [SYSTEM, USER, BEGUN])
    turns = ["<|turn|>system\nYou mind the till.<|end|>", "<|turn|>user\nMay I return it?<|end|>"]
    assert text == "\n".join([*turns, "<|turn|>assistant\nAnswer:"])


def test_a_template_without_system_messages_gets_it_in_the_users() -> None:
    text = render(with_template(NO_SYSTEM), [SYSTEM, USER, BEGUN])
    assert text == "<|turn|>user\nYou mind the till.\n\nMay I return it?<|end|>\n<|turn|>assistant\nAnswer:"


def test_a_template_that_fails_is_one_clear_error() -> None:
    broken = with_template("{{ raise_exception('not today') }}")
    for messages in ([SYSTEM, USER], [USER], [SYSTEM]):
        with pytest.raises(BackendError, match=r"chat template cannot write the prompt \(not today\)"):
            render(broken, messages)


def test_messages_are_not_changed_by_writing_them(words: Any) -> None:
    messages = [dict(SYSTEM), dict(USER), dict(BEGUN)]
    render(words, messages)
    assert messages == [SYSTEM, USER, BEGUN]


def test_special_tokens_of_a_template_are_single_tokens() -> None:
    tokenizer = with_template(tiny.CHATML)
    [ids] = encode(tokenizer, [render(tokenizer, [USER])])
    turn, end = tokenizer.convert_tokens_to_ids(["<|turn|>", "<|end|>"])
    assert [ids[0], ids.count(turn), ids.count(end)] == [turn, 2, 1]


def test_an_empty_prompt_begins_with_the_token_that_texts_begin_with(words: Any) -> None:
    assert encode(words, ["", "a"]) == [[words.bos_token_id], words("a")["input_ids"]]
    assert encode(words, []) == []


def spelled(words: Any, prompt: str, form: str) -> tuple[list[str], tuple[int, ...]]:
    ids = Forms(words).after(prompt, form)
    return [words.decode([token]) for token in ids], ids


def test_a_form_behind_a_colon_keeps_its_blank(words: Any) -> None:
    assert spelled(words, "Answer:", " Yes")[0] == [" Yes"]
    assert "".join(spelled(words, "Answer:", " No, sorry")[0]) == " No, sorry"


@pytest.mark.parametrize("prompt", ["Well?\n", "Well?\n\n", ""])
def test_a_form_on_a_new_line_has_no_blank_before_it(prompt: str, words: Any) -> None:
    assert "".join(spelled(words, prompt, " Yes")[0]) == "Yes"


def test_a_form_that_would_melt_into_the_prompt_is_cut_by_itself(words: Any) -> None:
    before = words("Ans")["input_ids"]
    assert words("Answer")["input_ids"][: len(before)] != before
    assert spelled(words, "Ans", "wer")[1] == tuple(words("wer")["input_ids"])


def test_forms_are_what_the_model_would_read_behind_the_whole_prompt(words: Any) -> None:
    prompt = "A customer wants to send back a toaster bought for $40. Answer:"
    for form in (" Yes", " yes", " NO", " No, sorry"):
        assert tuple(words(prompt + form)["input_ids"]) == (
            *words(prompt)["input_ids"],
            *Forms(words).after(prompt, form),
        )
