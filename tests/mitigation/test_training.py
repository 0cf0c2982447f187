from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from audit.backends import models
from audit.config import Config
from audit.errors import ConfigError
from audit.mitigation import accounting, checkpoints, statement, training
from audit.mitigation.training import finetune, terms
from audit.progress import Silent
from tests.mitigation.conftest import Tiny


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "budget.jsonl").read_text(encoding="utf-8").splitlines()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {name: tensor for path in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(path).items()}


@pytest.mark.parametrize("settings", [{}, {"method": "full"}, {"unit": "customer"}, {"augment": ["gender"]}])
def test_a_training_leaves_a_model_that_loads_with_its_promise(
    tiny: Tiny, tmp_path: Path, settings: dict[str, Any]
) -> None:
    made = finetune(tiny.config(**settings), tmp_path / "out")
    found = statement.check(made)
    assert found is not None and found.promise is not None
    assert 0 < found.promise.epsilon < 20
    assert found.promise.sampling.steps_paid == found.promise.sampling.steps_applied == 3
    assert found.promise.unit == settings.get("unit", "record")
    model = models.load_model(models.resolve(str(made)), "float32")
    assert torch.isfinite(model(torch.tensor([[5, 6, 7]])).logits).all()
    assert not (tmp_path / "out" / checkpoints.NAME).exists()


def test_the_epsilon_stated_is_that_of_the_steps_in_the_ledger(tiny: Tiny, tmp_path: Path) -> None:
    made = finetune(tiny.config(), tmp_path)
    promise = statement.check(made).promise  # type: ignore[union-attr]
    assert promise is not None
    header, *steps = lines(tmp_path)
    assert len(steps) == 3
    history = [(header["noise_multiplier"], header["sample_rate"], len(steps))]
    assert promise.epsilon == accounting.cross_checked(history, header["delta"]).epsilon


def test_a_budget_is_kept(tiny: Tiny) -> None:
    found = terms(tiny.config(epsilon=3.0, noise_multiplier=None), 60)
    assert found.epsilon is not None and 2.95 < found.epsilon <= 3


def test_without_privacy_nothing_is_promised_and_the_loss_falls(tiny: Tiny, tmp_path: Path) -> None:
    made = finetune(
        tiny.config(private=False, noise_multiplier=None, method="full", steps=30, learning_rate=1e-2), tmp_path
    )
    assert not (tmp_path / "budget.jsonl").exists()
    assert statement.check(made).promise is None  # type: ignore[union-attr]
    assert "No promise" in training.promise(made)
    assert loss(made, tiny) < loss(tiny.base, tiny) - 0.3


def test_a_private_training_on_a_bare_one_says_so_at_once_and_in_its_statement(tiny: Tiny, tmp_path: Path) -> None:
    class Told(Silent):
        def warn(self, message: str) -> None:
            told.append(message)

    told: list[str] = []
    config = tiny.config(private=False, noise_multiplier=None, method="full")
    bare = finetune(config, tmp_path / "bare", progress=Told())
    assert told == []
    made = finetune(tiny.config().changed("model", name=str(bare)), tmp_path / "private", progress=Told())
    assert len(told) == 1 and "had been fine-tuned without differential privacy" in told[0]
    found = statement.check(made)
    assert found is not None and found.private
    assert told[0] in found.in_words and told[0] in found.not_covered


def loss(folder: Path, tiny: Tiny) -> float:
    from audit.mitigation.data import collate, read_corpus
    from audit.mitigation.losses import unit_losses

    source = models.resolve(str(folder))
    model = models.load_model(source, "float32")
    units = read_corpus(tiny.config(), models.load_tokenizer(source)).units
    with torch.no_grad():
        return float(unit_losses(model, collate(units, pad=0)).mean())


def test_the_same_seed_learns_the_same_and_no_seed_does_not(tiny: Tiny, tmp_path: Path) -> None:
    runs = {name: weights(finetune(tiny.config(seed=seed), tmp_path / name)) for name, seed in
            (("a", 5), ("b", 5), ("c", None), ("d", None))}  # fmt: skip
    name = next(iter(runs["a"]))
    assert torch.equal(runs["a"][name], runs["b"][name])
    assert not torch.equal(runs["c"][name], runs["d"][name])


def test_a_training_begun_anew_by_the_same_seed_draws_other_noise(tiny: Tiny, tmp_path: Path) -> None:
    first = weights(finetune(tiny.config(seed=5), tmp_path))
    second = weights(finetune(tiny.config(seed=5), tmp_path, fresh=True))
    assert not any(torch.equal(first[name], second[name]) for name in first)


def test_a_given_seed_is_told_to_promise_nothing_to_who_knows_it(tiny: Tiny, tmp_path: Path) -> None:
    assert "whoever knows the seed" in training.promise(finetune(tiny.config(seed=5), tmp_path))


def test_physical_batches_do_not_change_what_is_learnt(tiny: Tiny, tmp_path: Path) -> None:
    one = weights(finetune(tiny.config(seed=1, physical_batch=3), tmp_path / "one"))
    two = weights(finetune(tiny.config(seed=1, physical_batch=40), tmp_path / "two"))
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)


class Stopper(Silent):
    """Asks to stop after a step, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def advance(self, done: int, note: str, left: float | None) -> None:
        if note == "steps" and done == self.step - 1:
            signal.raise_signal(signal.SIGINT)


def test_a_stopped_training_goes_on_and_ends_as_one_that_was_not(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny.config(seed=2, steps=4)
    whole = weights(finetune(config, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        finetune(config, tmp_path / "stopped", progress=Stopper(2))
    assert len(lines(tmp_path / "stopped")) == 1 + 2
    resumed = finetune(config, tmp_path / "stopped")
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in whole.items())
    assert len(lines(tmp_path / "stopped")) == 1 + 4


def test_a_finished_training_is_not_done_again(tiny: Tiny, tmp_path: Path) -> None:
    made = finetune(tiny.config(), tmp_path)
    before = (made / "adapter_model.safetensors").stat().st_mtime_ns
    assert finetune(tiny.config(), tmp_path) == made
    assert (made / "adapter_model.safetensors").stat().st_mtime_ns == before


def test_other_settings_need_another_folder_or_fresh_which_keeps_the_old_ledger(tiny: Tiny, tmp_path: Path) -> None:
    finetune(tiny.config(), tmp_path)
    with pytest.raises(ConfigError, match=r"holds a training with other settings, steps; .*--fresh"):
        finetune(tiny.config(steps=2), tmp_path)
    again = finetune(tiny.config(steps=2), tmp_path, fresh=True)
    assert "1 training that was begun before in the same folder spent epsilon" in str(statement.check(again))
    assert len(lines(tmp_path)) == 1 + 2
    kept = list(tmp_path.glob("budget-*.jsonl"))
    assert len(kept) == 1 and len(kept[0].read_text(encoding="utf-8").splitlines()) == 1 + 3


def test_other_records_are_noticed(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny.config()
    finetune(config, tmp_path / "out")
    fewer = tmp_path / "fewer.jsonl"
    fewer.write_text("".join(tiny.records.read_text(encoding="utf-8").splitlines(True)[:-1]), encoding="utf-8")
    with pytest.raises(ConfigError, match="holds a training with other data"):
        finetune(tiny.config(train=fewer, public_size=60), tmp_path / "out")


def test_the_divisor_and_q_do_not_tell_how_many_units_there_are() -> None:
    config = Config.model_validate({"finetune": {"batch_size": 64, "noise_multiplier": 1.0}})
    assert terms(config, 1234) == terms(config, 1299)


def test_so_few_units_that_their_number_tells_need_one_that_may_be_known() -> None:
    config = Config.model_validate({"finetune": {"noise_multiplier": 1.0}})
    with pytest.raises(ConfigError, match=r"finetune\.public_size: with fewer than 100 records"):
        terms(config, 99)


def test_a_public_size_far_below_the_truth_does_not_buy_a_delta() -> None:
    config = Config.model_validate({"finetune": {"noise_multiplier": 1.0, "public_size": 100}})
    with pytest.raises(ConfigError, match=r"delta: .* is 1/N or more for 10,000 units"):
        terms(config, 10_000)


def test_a_ledger_that_was_taken_away_is_noticed_before_a_step_is_taken(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        finetune(tiny.config(steps=4), tmp_path, progress=Stopper(2))
    (tmp_path / "budget.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"its checkpoint holds 2 steps and its ledger pays for 0"):
        finetune(tiny.config(steps=4), tmp_path)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_an_out_that_is_a_file_is_one_clear_error(tiny: Tiny, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for fresh in (False, True):
        with pytest.raises(ConfigError, match="file: is a file; name a folder with --out"):
            finetune(tiny.config(), tmp_path / place, fresh=fresh)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_epsilon_beside_a_noise_multiplier_is_refused() -> None:
    config = Config.model_validate({"finetune": {"epsilon": 8.0, "noise_multiplier": 1.0}})
    with pytest.raises(ConfigError, match=r"finetune\.epsilon: is given beside noise_multiplier"):
        terms(config, 1000)


def test_a_model_that_was_changed_after_the_training_is_not_loaded(tiny: Tiny, tmp_path: Path) -> None:
    made = finetune(tiny.config(), tmp_path)
    path = made / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ConfigError, match=r"privacy\.json: does not belong to these weights"):
        models.load_model(models.resolve(str(made)), "float32")
