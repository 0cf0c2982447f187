from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audit.backends.engine import Engine
from audit.backends.exact import Exact, columns, decide, without_extensions
from audit.errors import ConfigError
from tests import tiny

VOCABULARY = 9
LONGEST = 3
PROMPTS = ([1, 2, 3], [1, 2, 4, 5])
Options = Sequence[Sequence[tuple[int, ...]]]
TWO = [[(5,)], [(6,)]]


def decided(model: Any, options: Sequence[Options], sharing: bool = True) -> list[Exact]:
    engine = Engine(model, "float32", 512, sharing)
    names = [[f"o{number}" for number in range(len(probe))] for probe in options]
    tokens = columns(options)
    with torch.inference_mode(), engine.context():
        return decide(engine.session(tokens), tokens, PROMPTS[: len(options)], names, options)


@cache
def chances(model: Any, prompt: tuple[int, ...]) -> dict[tuple[int, ...], Any]:
    """Log-probabilities of the next token behind each beginning of an answer."""
    return {
        beginning: tiny.log_probabilities(model, [*prompt, *beginning])
        for length in range(LONGEST)
        for beginning in itertools.product(range(VOCABULARY), repeat=length)
    }


def brute_force(model: Any, prompt: Sequence[int], options: Options) -> list[float]:
    """Mass of each option: all answers of three tokens, each given to the shortest form that it begins with."""
    owner = {form: number for number, option in enumerate(options) for form in option}
    after = chances(model, tuple(prompt))
    masses = [0.0] * len(options)
    for answer in itertools.product(range(VOCABULARY), repeat=LONGEST):
        first = next((answer[:cut] for cut in range(1, LONGEST + 1) if answer[:cut] in owner), None)
        if first is not None:
            masses[owner[first]] += np.exp(sum(after[answer[:cut]][answer[cut]] for cut in range(LONGEST)))
    return masses


@pytest.mark.parametrize(
    "options",
    [
        TWO,
        [[(5, 6, 7)], [(5, 6, 8)]],
        [[(5,), (6, 7)], [(6, 8), (7, 7, 7)]],
        [[(5,), (5, 6)], [(7,)]],
        [[(3, 3, 3), (3, 3)], [(3, 4)], [(4,), (4, 1)]],
    ],
    ids=["one token", "shared beginnings", "mixed lengths", "extends itself", "three options"],
)
@pytest.mark.parametrize("sharing", [True, False])
def test_options_have_the_mass_of_all_their_answers(
    options: Options, sharing: bool, model_of: Callable[..., Any]
) -> None:
    model = model_of("GPT2", VOCABULARY)
    for prompt, found in zip(PROMPTS, decided(model, [options, options], sharing), strict=True):
        masses = brute_force(model, prompt, options)
        assert np.exp(found.logprobs) == pytest.approx(masses, abs=1e-6)
        assert found.row()["answer_mass"] == pytest.approx(sum(masses), abs=1e-6)
        assert sum(found.row()["probs"]) == pytest.approx(1.0)


FORMS = st.lists(st.integers(0, 3), min_size=1, max_size=LONGEST).map(tuple)


@settings(max_examples=40, deadline=None)
@given(forms=st.lists(FORMS, min_size=2, max_size=7, unique=True), cut=st.integers(1, 6))
def test_any_forms_have_the_mass_of_all_their_answers(
    forms: list[tuple[int, ...]], cut: int, model_of: Callable[..., Any]
) -> None:
    model, options = model_of("GPT2", VOCABULARY), [forms[:cut], forms[cut:]]
    assume(not any(a[: len(b)] == b or b[: len(a)] == a for a in options[0] for b in options[1]))
    found = decided(model, [options])[0]
    assert np.exp(found.logprobs) == pytest.approx(brute_force(model, PROMPTS[0], options), abs=1e-6)


def test_each_probe_keeps_its_own_options(model_of: Callable[..., Any]) -> None:
    model = model_of("GPT2", VOCABULARY)
    first, second = decided(model, [TWO, [[(7, 1)], [(8,)], [(2,)]]])
    assert first.logprobs == pytest.approx(decided(model, [TWO])[0].logprobs, abs=1e-6)
    assert second.support == ("o0", "o1", "o2")
    assert np.exp(second.logprobs) == pytest.approx(
        brute_force(model, PROMPTS[1], [[(7, 1)], [(8,)], [(2,)]]), abs=1e-6
    )


def test_a_form_named_twice_counts_once(model_of: Callable[..., Any]) -> None:
    model = model_of("GPT2", VOCABULARY)
    twice, once = decided(model, [[[(5,), (5,)], [(6,)]]])[0], decided(model, [TWO])[0]
    assert twice.logprobs == once.logprobs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([[(8,), (5, 6)], [(7,), (5,)]], "form 2 of 'o1' begins form 2 of 'o0'"),
        ([[(5,)], [(5, 6)]], "form 1 of 'o0' begins form 1 of 'o1'"),
        ([[(5,)], [(6,)], [(6,)]], "form 1 of 'o2' begins form 1 of 'o1'"),
    ],
    ids=["begins the earlier", "begins the later", "the same"],
)
def test_a_form_that_begins_another_options_form_is_an_error_that_names_both(
    options: Options, words: str, model_of: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigError, match=f"{words}, so that their .* reword one of the two"):
        decided(model_of("GPT2", VOCABULARY), [TWO, options])


def test_no_mass_at_all_is_not_a_number_and_no_error() -> None:
    row = Exact(("a", "b"), (float("-inf"), float("-inf"))).row()
    assert row["answer_mass"] == 0.0
    assert np.isnan(row["probs"]).all()


def test_only_whole_forms_are_dropped_as_extensions() -> None:
    assert without_extensions([[(1, 2), (1, 3), (1, 2, 9)], [(2,)]]) == [[(1, 2), (1, 3)], [(2,)]]
