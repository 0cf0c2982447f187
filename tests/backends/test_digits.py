from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from audit.backends.digits import LARGEST, Alphabet, alphabet, enumerate_numbers
from audit.backends.engine import Engine
from audit.backends.exact import Exact
from tests import tiny

# A vocabulary of three digits in many pieces: several digits, a blank before, the end of the number inside.
PIECES = ("<|end|>", " ", ":", "a", "%", "0", "1", "2", " 1", "12", " 02", "0%", "21a", "1 ")
PROMPT = [2, 3, 4]
BOUNDS = (0, 21)


def small_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({piece.replace(" ", "Ġ"): n for n, piece in enumerate(PIECES)}, unk_token=":"))
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|end|>")


@pytest.fixture(scope="module")
def letters() -> Alphabet:
    return alphabet(small_tokenizer())


def read(
    model: Any,
    letters: Alphabet,
    prompts: Sequence[Sequence[int]] = (PROMPT,),
    bounds: tuple[int, int] = BOUNDS,
    share: float = 1 - 1e-7,
    sharing: bool = True,
) -> list[Exact]:
    engine = Engine(model, "float32", 512, sharing)
    with torch.inference_mode(), engine.context():
        return enumerate_numbers(engine.session(letters.tokens), letters, prompts, [bounds] * len(prompts), share)


def brute_force(model: Any, prompt: Sequence[int], bounds: tuple[int, int] = BOUNDS) -> dict[int, float]:
    """Walk through every answer, token by token, and give its mass to the number that it begins with."""
    masses: dict[int, float] = {}

    def settle(digits: str, mass: float) -> None:
        if bounds[0] <= int(digits) <= bounds[1]:
            masses[int(digits)] = masses.get(int(digits), 0.0) + mass

    def walk(sequence: list[int], text: str, blanks: int, mass: float) -> None:
        for token, chance in enumerate(np.exp(tiny.log_probabilities(model, sequence))):
            grown, share = text + PIECES[token] if token else text + "$", mass * chance
            number = re.match(r" *([0-9]+)(.?)", grown)
            if number and number[2]:
                settle(number[1], share)
            elif number:
                digits = number[1]
                possible = int(digits) <= bounds[1] and len(digits) <= len(str(bounds[1])) + 2
                if possible and share > 1e-9:
                    walk([*sequence, token], grown, blanks, share)
            elif not grown.strip() and blanks < 2:
                walk([*sequence, token], grown, blanks + 1, share)

    walk(list(prompt), "", 0, 1.0)
    return masses


def masses_of(found: Exact) -> dict[int, float]:
    return dict(zip(map(int, found.support), np.exp(found.logprobs), strict=True))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("sharing", [True, False])
def test_numbers_have_the_mass_of_all_their_answers(seed: int, sharing: bool, letters: Alphabet) -> None:
    model = tiny.model("GPT2", len(PIECES), seed)
    found = masses_of(read(model, letters, sharing=sharing)[0])
    expected = brute_force(model, PROMPT)
    assert set(found) == set(expected)
    assert max(abs(found[value] - expected[value]) for value in expected) < 1e-5


def test_a_range_leaves_other_numbers_out(letters: Alphabet, model_of: Callable[..., Any]) -> None:
    model = model_of("GPT2", len(PIECES))
    found = masses_of(read(model, letters, bounds=(2, 12))[0])
    every = brute_force(model, PROMPT)
    assert set(found) == {value for value in every if 2 <= value <= 12}
    assert all(found[value] == pytest.approx(every[value], abs=1e-5) for value in found)


def test_numbers_stand_in_ascending_order(letters: Alphabet, model_of: Callable[..., Any]) -> None:
    found = read(model_of("GPT2", len(PIECES)), letters)[0]
    assert list(map(int, found.support)) == sorted(map(int, found.support))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_what_is_left_open_is_at_most_what_was_allowed(
    share: float, letters: Alphabet, model_of: Callable[..., Any]
) -> None:
    model = model_of("GPT2", len(PIECES))
    found = read(model, letters, share=share)[0]
    settled, every = masses_of(found), brute_force(model, PROMPT)
    assert found.residual <= (1 - share) * (sum(settled.values()) + found.residual) + 1e-9
    missing = {value: every[value] - settled.get(value, 0.0) for value in every}
    assert min(missing.values()) > -1e-5
    assert sum(missing.values()) <= found.residual + 1e-5


def test_a_share_that_asks_for_less_looks_behind_less(letters: Alphabet, model_of: Callable[..., Any]) -> None:
    model = model_of("GPT2", len(PIECES))
    assert read(model, letters, share=0.5)[0].residual > read(model, letters, share=0.99)[0].residual


def test_prompts_read_together_do_not_mix(letters: Alphabet, model_of: Callable[..., Any]) -> None:
    model = model_of("Llama", len(PIECES))
    prompts = [PROMPT, [2, 3, 5, 6], [2, 2]]
    for prompt, together in zip(prompts, read(model, letters, prompts), strict=True):
        alone = masses_of(read(model, letters, [prompt])[0])
        assert masses_of(together) == pytest.approx(alone, abs=1e-6)


def test_a_wide_range_stops_at_its_limit_and_says_what_is_left(words: Any, model_of: Callable[..., Any]) -> None:
    model = model_of("GPT2", len(words), initializer_range=0.02)  # next to uniform: no number stands out
    found = read(model, alphabet(words), [words("Answer:")["input_ids"]], (0, 99_999), 0.999999)[0]
    assert found.residual > 0
    assert sum(masses_of(found).values()) + found.residual <= 1
    assert len(found.support) <= LARGEST + len(alphabet(words).tokens)


def test_alphabet_holds_the_pieces_of_numbers(letters: Alphabet) -> None:
    rows = zip(letters.tokens, letters.digits, letters.ends.tolist(), letters.blank.tolist(), strict=True)
    assert {PIECES[token]: tuple(rest) for token, *rest in rows} == {
        " ": ("", False, True),
        "0": ("0", False, False),
        "1": ("1", False, False),
        "2": ("2", False, False),
        " 1": ("1", False, True),
        "12": ("12", False, False),
        " 02": ("02", False, True),
        "0%": ("0", True, False),
        "21a": ("21", True, False),
        "1 ": ("1", True, False),
    }


@pytest.mark.parametrize("single", [True, False])
def test_alphabet_is_what_a_vocabulary_spells(single: bool) -> None:
    tokenizer = tiny.tokenizer(single_digits=single)
    expected = {}
    for token in range(len(tokenizer)):
        text = tokenizer.decode([token])
        match = re.match(r"( ?)([0-9]+)(.*)$", text)
        if match:
            expected[token] = (match[2], bool(match[3]), bool(match[1]))
        elif text == " ":
            expected[token] = ("", False, True)
    found = alphabet(tokenizer)
    rows = zip(found.tokens, found.digits, found.ends.tolist(), found.blank.tolist(), strict=True)
    assert {token: tuple(rest) for token, *rest in rows} == expected
    assert any(len(digits) > 1 for digits in found.digits) is not single


def test_alphabet_knows_blanks_written_as_in_sentencepiece() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<s>": 0, "▁": 1, ":": 2, "5": 3, "▁5": 4, "<0x20>": 5, "<0x36>": 6, "▁five": 7}
    inner = Tokenizer(models.BPE(vocabulary, [("▁", "5")], byte_fallback=True))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    found = alphabet(PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>"))
    rows = dict(zip(found.tokens, zip(found.digits, found.blank.tolist(), strict=True), strict=True))
    assert rows == {1: ("", True), 3: ("5", False), 4: ("5", True), 5: ("", True), 6: ("6", False)}


def test_a_vocabulary_without_digits_gives_no_number(model_of: Callable[..., Any]) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({":": 0, "a": 1, "b": 2}, unk_token=":"))
    found = alphabet(PreTrainedTokenizerFast(tokenizer_object=inner))
    assert found.tokens == ()
    assert read(model_of("GPT2", len(PIECES)), found)[0] == Exact((), (), 0.0)
