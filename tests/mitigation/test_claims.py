"""The claimed ε of a privacy audit, out of the model's own statement."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from audit.config import Config, PrivacyConfig
from audit.errors import ConfigError
from audit.mitigation.statement import Accountant, Base, Promise, Sampled, Trained, make_statement, write_statement
from audit.privacy import planting, records
from audit.privacy.claims import with_claim


def model(folder: Path, like: Path, *, private: bool = True) -> str:
    """A folder with weights that claim ε = 3 at δ = 1e-4."""
    shutil.copytree(like, folder)
    sampled = Sampled(sample_rate=0.1, divisor=10, steps_planned=30, steps_paid=30, steps_applied=30)
    promise = Promise(
        epsilon=3.0,
        delta=1e-4,
        unit="record",
        public_size=100,
        accountants=(Accountant(name="PRV", version="opacus 1.6.0", epsilon=3.0),),
        sampling=sampled,
        noise_multiplier=1.2,
        max_grad_norm=1.0,
        clipping="hooks",
    )
    trained, base = Trained(method="full", parameters=1, max_tokens=8), Base(name="hf:org/name")
    made = make_statement(promise=promise if private else None, trained=trained, base=base, seed="system")
    write_statement(folder, made)
    return str(folder)


def asked(name: str, **privacy: object) -> Config:
    return Config(privacy=PrivacyConfig.model_validate(privacy)).changed("model", name=name)


def ledger(folder: Path, delta: float | None) -> Path:
    path = folder / "records.jsonl"
    records.write_records(records.generate(40), path)
    planting.plant(
        path,
        folder / "train.jsonl",
        layout=records.find_layout("auto", path),
        held_out_path=folder / "held-out.jsonl",
        ledger_path=folder / "ledger.json",
        canaries=10,
        references=5,
        delta=delta,
        held_out=0.5,
        seed=1,
    )
    return folder / "ledger.json"


def test_the_claim_and_its_delta_are_the_statements(tmp_path: Path, gpt2_folder: Path) -> None:
    config, said = with_claim(asked(model(tmp_path / "model", gpt2_folder)))
    assert (config.privacy.claimed_epsilon, config.privacy.claimed_delta) == (3.0, 1e-4)
    assert said == ("claimed epsilon 3 is taken from the model's privacy.json",)


def test_a_claim_holds_at_a_larger_delta(tmp_path: Path, gpt2_folder: Path) -> None:
    config, _ = with_claim(asked(model(tmp_path / "model", gpt2_folder), claimed_delta=1e-3))
    assert (config.privacy.claimed_epsilon, config.privacy.claimed_delta) == (3.0, 1e-3)


def test_what_a_person_claims_comes_first(tmp_path: Path, gpt2_folder: Path) -> None:
    before = asked(model(tmp_path / "model", gpt2_folder), claimed_epsilon=1.0)
    assert with_claim(before) == (before, ())


def test_where_nothing_is_stated_or_promised_nothing_is_claimed(tmp_path: Path, gpt2_folder: Path) -> None:
    for name in (str(gpt2_folder), model(tmp_path / "model", gpt2_folder, private=False), "embedded:smollm2"):
        assert with_claim(asked(name)) == (asked(name), ())


def test_a_statement_of_other_weights_claims_nothing_and_is_an_error(tmp_path: Path, gpt2_folder: Path) -> None:
    name = model(tmp_path / "model", gpt2_folder)
    with (tmp_path / "model" / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ConfigError, match="do not use its epsilon"):
        with_claim(asked(name))


def test_a_ledger_with_a_smaller_delta_leaves_nothing_to_refute(tmp_path: Path, gpt2_folder: Path) -> None:
    name = model(tmp_path / "model", gpt2_folder)
    config, said = with_claim(asked(name, ledger=ledger(tmp_path, 1e-6)))
    assert config.privacy.claimed_epsilon is None
    assert "plant with a delta at least as large" in said[0]


@pytest.mark.parametrize("key", ["steps_paid", "noise_multiplier"])
def test_an_epsilon_that_its_own_noise_and_steps_do_not_give_is_not_claimed(
    tmp_path: Path, gpt2_folder: Path, key: str
) -> None:
    """As after an edit: ε, or what stands beside it."""
    name = model(tmp_path / "model", gpt2_folder)
    path = tmp_path / "model" / "privacy.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    if key == "noise_multiplier":
        data["promise"][key] = 0.9
    else:
        data["promise"]["epsilon"] = data["promise"]["accountants"][0]["epsilon"] = 0.1
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"its noise and paid steps come to \d"):
        with_claim(asked(name))


@pytest.mark.parametrize("delta", [None, 1e-3])
def test_a_ledger_that_leaves_delta_open_or_larger_is_no_hindrance(
    tmp_path: Path, gpt2_folder: Path, delta: float | None
) -> None:
    config, _ = with_claim(asked(model(tmp_path / "model", gpt2_folder), ledger=ledger(tmp_path, delta)))
    assert config.privacy.claimed_epsilon == 3.0
