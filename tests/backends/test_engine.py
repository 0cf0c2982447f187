from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from audit.backends import engine as module
from audit.backends.engine import Engine, padding_is_faithful
from audit.backends.tree_attention import TRUNK_WIDTH, UnsupportedAttentionError
from tests import tiny

SHARED = ("GPT2", "Llama", "GPTNeoX", "OPT", "Qwen2")
COLUMNS = range(0, 700, 7)
CLOSE = 1e-4


def forest() -> list[list[int]]:
    """Shared beginnings, a trunk with many branches, one prompt that begins another, one alone."""
    draw = np.random.default_rng(3).integers(1, 700, 400).tolist()
    trunk = draw[:40]
    prompts = [trunk + draw[50 + 7 * number : 50 + 7 * number + 1 + number % 6] for number in range(TRUNK_WIDTH + 6)]
    return [*prompts, trunk, prompts[0] + draw[300:330], prompts[0] + draw[300:315] + draw[340:343], draw[360:395], [9]]


def expected(model: Any, sequences: Sequence[Sequence[int]]) -> np.ndarray:
    return np.stack([tiny.log_probabilities(model, sequence)[list(COLUMNS)] for sequence in sequences])


def ask(engine: Engine, rounds: Sequence[Callable[[list[int]], list[tuple[int, list[int]]]]]) -> Any:
    """Open the forest and go on from it round by round; gives all sequences and what the engine said of them."""
    sequences = forest()
    with torch.inference_mode(), engine.context():
        session = engine.session(COLUMNS)
        ends, found = session.open(sequences)
        spelled = dict(zip(ends, sequences, strict=True))
        every, said = list(sequences), [found]
        for choose in rounds:
            asked = choose(ends)
            new, found = session.extend([end for end, _ in asked], [run for _, run in asked])
            spelled |= {end: spelled[old] + run for end, (old, run) in zip(new, asked, strict=True)}
            every += [spelled[end] for end in new]
            said.append(found)
            ends = new
    return every, np.concatenate(said)


def second(ends: list[int]) -> list[tuple[int, list[int]]]:
    return [(end, [token] * length) for end in ends[::3] for token, length in ((5, 1), (6, 3))]


def third(ends: list[int]) -> list[tuple[int, list[int]]]:
    return [(end, [8, 9, token]) for end in ends[:5] for token in (1, 2)] + [(ends[0], [4])]


@pytest.mark.parametrize("kind", SHARED)
def test_tree_equals_one_by_one(kind: str, model_of: Callable[..., Any]) -> None:
    engine = Engine(model_of(kind), "float32", 4096)
    assert engine.name == "shared-prefix tree"
    sequences, found = ask(engine, [second, third])
    assert np.abs(found - expected(model_of(kind), sequences)).max() < CLOSE


@pytest.mark.parametrize(
    ("kind", "changes"),
    [*((kind, {}) for kind in SHARED), ("Bloom", {}), ("Mamba", {}), ("Mistral", {"sliding_window": 16})],
)
def test_plain_batches_equal_one_by_one(kind: str, changes: dict[str, Any], model_of: Callable[..., Any]) -> None:
    engine = Engine(model_of(kind, **changes), "float32", 300, sharing=False)
    sequences, found = ask(engine, [second, third])
    assert np.abs(found - expected(model_of(kind, **changes), sequences)).max() < CLOSE


@pytest.mark.parametrize(("kind", "changes"), [("Bloom", {}), ("Mamba", {}), ("Mistral", {"sliding_window": 16})])
def test_models_that_a_tree_does_not_fit_get_plain_batches(
    kind: str, changes: dict[str, Any], model_of: Callable[..., Any]
) -> None:
    assert Engine(model_of(kind, **changes), "float32", 4096).name == "plain batches"


def test_a_window_that_no_prompt_fills_still_allows_a_tree(model_of: Callable[..., Any]) -> None:
    model = model_of("Mistral", sliding_window=100)
    sequences, found = ask(Engine(model, "float32", 4096), [second])
    assert np.abs(found - expected(model, sequences)).max() < CLOSE


def test_a_tree_longer_than_the_window_is_refused_not_misread(model_of: Callable[..., Any]) -> None:
    engine = Engine(model_of("Mistral", sliding_window=50), "float32", 4096)
    assert engine.sharing
    with pytest.raises(UnsupportedAttentionError):
        ask(engine, [])
    sequences, found = ask(engine.plain(), [second])
    assert np.abs(found - expected(engine.model, sequences)).max() < CLOSE


def test_more_ends_than_fit_one_pass_are_read_in_several(model_of: Callable[..., Any]) -> None:
    model = model_of("GPT2")
    engine = Engine(model, "float32", 4096, sharing=True)
    many = module.ENDS + 90
    with torch.inference_mode(), engine.context():
        session = engine.session(COLUMNS)
        ends, _ = session.open([[1, 2, 3], [1, 2, 4]])
        runs = [[number % 97 + 1, number // 97 + 1] for number in range(many)]
        new, found = session.extend([ends[number % 2] for number in range(many)], runs)
        _, deeper = session.extend([new[-1], new[0]], [[7], [8]])
    assert found.shape == (many, len(COLUMNS))
    some = [0, 1, module.ENDS - 1, module.ENDS, many - 1]
    begins = ([1, 2, 3], [1, 2, 4])
    assert np.abs(found[some] - expected(model, [begins[n % 2] + runs[n] for n in some])).max() < CLOSE
    last = [begins[(many - 1) % 2] + runs[-1] + [7], begins[0] + runs[0] + [8]]
    assert np.abs(deeper - expected(model, last)).max() < CLOSE


@pytest.mark.parametrize("sharing", [True, False])
def test_chunks_of_any_size_give_the_same(
    sharing: bool, model_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(model_of("Llama"), "float32", 4096, sharing=sharing)
    _, whole = ask(engine, [second, third])
    monkeypatch.setattr(module, "ENDS", 3)
    _, parts = ask(engine, [second, third])
    assert np.abs(whole - parts).max() < CLOSE


def test_going_on_from_nothing_gives_nothing(model_of: Callable[..., Any]) -> None:
    engine = Engine(model_of("GPT2"), "float32", 4096)
    with torch.inference_mode(), engine.context():
        session = engine.session(COLUMNS)
        session.open([[1, 2]])
        ends, found = session.extend([], [])
    assert ends == []
    assert found.shape == (0, len(COLUMNS))


def test_the_model_has_its_own_attention_back_afterwards(model_of: Callable[..., Any]) -> None:
    model = model_of("Llama")
    before = model.config._attn_implementation
    engine = Engine(model, "float32", 4096)
    with pytest.raises(ZeroDivisionError), engine.context():
        1 / 0  # noqa: B018 - any error inside
    assert model.config._attn_implementation == before


def test_a_tree_that_answers_otherwise_is_not_used(
    model_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = module.TreeSession._forward
    monkeypatch.setattr(module.TreeSession, "_forward", lambda *args: wrong(*args) + 0.01)
    assert not Engine(model_of("GPT2"), "float32", 4096).sharing


@pytest.mark.parametrize("kind", ["GPT2", "Llama", "Bloom", "Mamba"])
def test_padding_leaves_these_models_alone(kind: str, model_of: Callable[..., Any]) -> None:
    assert padding_is_faithful(model_of(kind))


def test_a_model_that_overlooks_the_mask_is_noticed() -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.RwkvConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2)
    assert not padding_is_faithful(transformers.AutoModelForCausalLM.from_config(config).eval())
