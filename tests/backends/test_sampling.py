from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from audit.backends.sampling import Sampling, Text, cache_is_faithful, pick, sample, stop_tokens, uniforms

PROBS = np.array([0.05, 0.4, 0.0, 0.1, 0.25, 0.2])
NUMBERS = np.random.default_rng(5)
PROMPTS = [NUMBERS.integers(2, 500, length).tolist() for length in (4, 9, 30, 31, 60, 60)]
HOW = Sampling(8)


def picked(sampling: Sampling, draws: int = 20_000) -> np.ndarray:
    with np.errstate(divide="ignore"):
        logits = torch.from_numpy(np.log(PROBS)).repeat(draws, 1)
    chosen = pick(logits, torch.from_numpy(uniforms(3, "probe", 0, draws)), sampling)
    return np.bincount(chosen.numpy(), minlength=len(PROBS))


def fits(counts: np.ndarray, probs: np.ndarray) -> bool:
    """Whether counts may come from ``probs``, at a level that one fixed seed must not cross."""
    assert counts[probs == 0].sum() == 0
    inside = probs > 0
    if inside.sum() == 1:
        return True
    return bool(stats.chisquare(counts[inside], counts.sum() * probs[inside] / probs[inside].sum()).pvalue > 0.001)


def test_tokens_are_drawn_by_their_probability() -> None:
    assert fits(picked(Sampling(1)), PROBS)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_sharpens_and_flattens(temperature: float) -> None:
    counts = picked(Sampling(1, temperature=temperature))
    assert fits(counts, np.where(PROBS > 0, PROBS ** (1 / temperature), 0.0))
    assert not fits(counts, PROBS)


@pytest.mark.parametrize(("top_p", "kept"), [(0.3, [1]), (0.6, [1, 4]), (0.86, [1, 4, 5, 3])])
def test_top_p_keeps_the_fewest_tokens_that_reach_it(top_p: float, kept: list[int]) -> None:
    counts = picked(Sampling(1, top_p=top_p))
    assert fits(counts, np.where(np.isin(np.arange(len(PROBS)), kept), PROBS, 0.0))


def test_temperature_comes_before_top_p() -> None:
    flat = PROBS ** (1 / 2)
    counts = picked(Sampling(1, temperature=2.0, top_p=0.5))
    assert fits(counts, np.where(np.isin(np.arange(len(PROBS)), [1, 4]), flat, 0.0))


@pytest.mark.parametrize("top_p", [0.95, 1.0])
def test_the_ends_of_the_unit_interval_draw_no_impossible_token(top_p: float) -> None:
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]]).repeat(2, 1)
    ends = torch.tensor([0.0, np.nextafter(1.0, 0.0)], dtype=torch.float64)
    assert pick(logits, ends, Sampling(1, top_p=top_p)).tolist() == [1, 2]


def test_uniforms_are_keyed_by_seed_probe_and_draw() -> None:
    keys = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (0, "a1", 0), (0, "a", 10), (1, "0", 0)]
    assert len({uniforms(*key, 4).tobytes() for key in keys}) == len(keys)
    assert (uniforms(0, "a", 0, 4) == uniforms(0, "a", 0, 4)).all()


def test_uniforms_are_uniform() -> None:
    every = np.concatenate([uniforms(0, f"probe {number}", 0, 20) for number in range(200)])
    assert stats.kstest(every, "uniform").pvalue > 0.001


def drawn(model: Any, words: Any, which: list[int], sampling: Sampling = HOW, **options: Any) -> dict[int, Text]:
    noise = np.stack([uniforms(1, f"probe {place}", 0, sampling.max_new_tokens) for place in which])
    with torch.inference_mode():
        return dict(
            zip(which, sample(model, words, [PROMPTS[p] for p in which], noise, sampling, **options), strict=True)
        )


def plainly(model: Any, words: Any, place: int, sampling: Sampling = HOW) -> Text:
    """One prompt, each token by a forward pass over the whole of it."""
    written: list[int] = []
    for uniform in uniforms(1, f"probe {place}", 0, sampling.max_new_tokens):
        with torch.inference_mode():
            logits = model(torch.tensor([PROMPTS[place] + written])).logits[:, -1]
        written.append(int(pick(logits, torch.tensor([uniform]), sampling)[0]))
        if written[-1] == words.eos_token_id:
            break
    stopped = written[-1] == words.eos_token_id
    text = words.decode(written[:-1] if stopped else written, skip_special_tokens=True).strip()
    return Text(text, len(written), "stop" if stopped else "length")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("GPT2", {}),
        ("Llama", {}),
        ("GPTNeoX", {}),
        ("OPT", {}),
        ("Bloom", {}),
        ("Mamba", {}),
        ("Mistral", {"sliding_window": 12}),
    ],
)
@pytest.mark.parametrize("how", [HOW, Sampling(5, temperature=0.7, top_p=0.8)], ids=["plain", "nucleus"])
def test_a_batch_gives_what_each_prompt_gives_alone(
    kind: str, changes: dict[str, Any], how: Sampling, model_of: Callable[..., Any], words: Any
) -> None:
    model = model_of(kind, len(words), **changes)
    expected = {place: plainly(model, words, place, how) for place in range(len(PROMPTS))}
    assert drawn(model, words, list(range(len(PROMPTS))), how) == expected


def test_a_text_depends_neither_on_its_batch_nor_on_the_order(model_of: Callable[..., Any], words: Any) -> None:
    model = model_of("GPT2", len(words))
    whole = drawn(model, words, [0, 1, 2, 3, 4, 5])
    for part in ([5, 3, 1, 0, 2, 4], [2], [4, 0], [3, 5, 1]):
        assert drawn(model, words, part) == {place: whole[place] for place in part}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *((kind, {}) for kind in ("GPT2", "Llama", "Qwen2", "GPTNeoX", "OPT", "Mistral")),
        ("Mistral", {"sliding_window": 66}),  # filled while the longest prompts are answered
        ("Mistral", {"sliding_window": 40}),  # shorter than the longest prompts
    ],
)
@pytest.mark.parametrize("length", [1, 8, 20])
def test_every_way_of_reading_writes_the_same(
    kind: str, changes: dict[str, Any], length: int, model_of: Callable[..., Any], words: Any
) -> None:
    model = model_of(kind, len(words), **changes)
    assert cache_is_faithful(model)
    every, how = list(range(len(PROMPTS))), Sampling(length)
    whole = drawn(model, words, every, how, reading="whole")
    assert drawn(model, words, every, how, reading="cached") == whole
    assert drawn(model, words, every, how, reading="shared") == whole


@pytest.mark.parametrize("reading", ["shared", "cached", "whole"])
def test_texts_that_stop_leave_the_others_as_they_are(reading: str, model_of: Callable[..., Any], words: Any) -> None:
    model = model_of("GPT2", len(words))
    every = list(range(len(PROMPTS))) * 4
    noise = np.stack([uniforms(1, f"stop {row}", 0, 12) for row in range(len(every))])
    before = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = list(range(0, len(words), 6))  # about one text in six stops at each token
    try:
        prompts = [PROMPTS[place] for place in every]
        with torch.inference_mode():
            together = sample(model, words, prompts, noise, Sampling(12), reading=reading)
            alone = [sample(model, words, [p], n[None], Sampling(12))[0] for p, n in zip(prompts, noise, strict=True)]
    finally:
        model.generation_config.eos_token_id = before
    assert together == alone
    assert {text.finish_reason for text in together} == {"stop", "length"}
    assert len({text.tokens for text in together}) > 5


def test_a_model_with_a_state_of_its_own_is_sampled_without_a_cache(model_of: Callable[..., Any]) -> None:
    assert not cache_is_faithful(model_of("Mamba"))


def test_a_text_ends_where_the_model_stops_and_others_go_on(model_of: Callable[..., Any], words: Any) -> None:
    model = model_of("GPT2", len(words))
    every = list(range(len(PROMPTS)))
    free = drawn(model, words, every, Sampling(12))
    noise = np.stack([uniforms(1, f"probe {place}", 0, 12) for place in every])
    # What the third prompt writes at its fourth place becomes a token that stops.
    with torch.inference_mode():
        first = sample(model, words, [PROMPTS[2]], noise[2:3], Sampling(4))[0]
    fourth = words(first.text, add_special_tokens=False)["input_ids"]
    before = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = [before, fourth[-1]]
    try:
        assert stop_tokens(model, words) == sorted({before, fourth[-1]})
        stopped = drawn(model, words, every, Sampling(12))
    finally:
        model.generation_config.eos_token_id = before
    assert stopped[2].finish_reason == "stop"
    assert stopped[2].tokens <= 4 < free[2].tokens
    assert free[2].text.startswith(stopped[2].text)
    assert any(stopped[place] == free[place] for place in every)


def test_a_text_that_stops_at_once_is_empty(model_of: Callable[..., Any], words: Any) -> None:
    model = model_of("GPT2", len(words))
    before = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = list(range(len(words)))
    try:
        found = drawn(model, words, [0, 1])
    finally:
        model.generation_config.eos_token_id = before
    assert set(found.values()) == {Text("", 1, "stop")}
