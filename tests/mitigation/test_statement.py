"""privacy.json and the card: what they say, and that they stand beside the weights that they are about."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.backends import models
from audit.errors import ConfigError
from audit.mitigation.card import write_card
from audit.mitigation.statement import (
    Accountant,
    Base,
    PrivacyStatement,
    Promise,
    Sampled,
    Trained,
    check,
    make_statement,
    read_statement,
    write_statement,
)
from tests import tiny

SAMPLED = Sampled(sample_rate=0.01, divisor=64, steps_planned=300, steps_paid=300, steps_applied=298)
PROMISE: dict[str, Any] = {
    "epsilon": 7.98,
    "delta": 1e-5,
    "unit": "record",
    "copies": 1,
    "public_size": 6400,
    "accountants": (
        Accountant(name="PRV", version="opacus 1.6.0", epsilon=7.98),
        Accountant(name="PLD", version="dp-accounting 0.6.0", epsilon=7.97),
    ),
    "sampling": SAMPLED,
    "noise_multiplier": 0.71,
    "max_grad_norm": 1.0,
    "clipping": "bookkeeping",
}
TRAINED = Trained(method="full", parameters=1000, max_tokens=64)


def stated(base: str = "embedded:smollm2", **changes: Any) -> PrivacyStatement:
    seed = changes.pop("seed", "system")
    promise = Promise(**PROMISE | changes)
    return make_statement(promise=promise, trained=TRAINED, base=Base(name=base, revision="gguf 1"), seed=seed)


@pytest.fixture
def folder(tmp_path: Path, gpt2_folder: Path) -> Path:
    return Path(shutil.copytree(gpt2_folder, tmp_path / "model"))


def load(folder: Path) -> Any:
    return models.load_model(models.resolve(str(folder)), "float32")


def test_a_statement_comes_back_as_it_was_written(folder: Path) -> None:
    written = write_statement(folder, stated())
    assert read_statement(folder) == written == check(folder)
    assert written.weights.keys() == {"model.safetensors"}
    assert load(folder).num_parameters() > 0


def test_a_folder_without_a_statement_loads_as_before(folder: Path) -> None:
    assert check(folder) is None
    assert load(folder).num_parameters() > 0


def test_other_weights_are_refused(folder: Path) -> None:
    write_statement(folder, stated())
    tiny.save(folder, "GPT2", tiny.tokenizer(), seed=1)
    with pytest.raises(ConfigError, match=r"another SHA-256; do not use its epsilon; put the files back") as caught:
        load(folder)
    assert len(str(caught.value).splitlines()) == 1


def test_one_changed_byte_is_refused(folder: Path) -> None:
    write_statement(folder, stated())
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(ConfigError, match=r"model.safetensors has another SHA-256"):
        check(folder)


def test_weights_beside_those_stated_are_refused(folder: Path) -> None:
    write_statement(folder, stated())
    shutil.copy(folder / "model.safetensors", folder / "adapter_model.bin")
    with pytest.raises(ConfigError, match=r"adapter_model.bin is not named in it"):
        load(folder)


def test_stated_weights_that_are_gone_are_refused(folder: Path) -> None:
    write_statement(folder, stated())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"model.safetensors is not there"):
        check(folder)


def test_weights_that_the_config_or_an_index_names_elsewhere_are_refused(folder: Path) -> None:
    write_statement(folder, stated())
    (folder / "x").mkdir()
    shutil.copy(folder / "model.safetensors", folder / "x")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    named = config | {"transformers_weights": "x/model.safetensors"}
    (folder / "config.json").write_text(json.dumps(named), encoding="utf-8")
    with pytest.raises(ConfigError, match="transformers_weights: names weights"):
        load(folder)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert check(folder) is not None
    (folder / "model.safetensors.index.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"index.json is not named in it"):
        load(folder)


def test_an_index_of_shards_cannot_be_changed(folder: Path) -> None:
    model = load(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    assert len(write_statement(folder, stated()).weights) > 2
    load(folder)
    index = folder / "model.safetensors.index.json"
    data = json.loads(index.read_text(encoding="utf-8"))
    data["weight_map"] = {name: f"x/{file}" for name, file in data["weight_map"].items()}
    index.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"index.json has another SHA-256"):
        load(folder)


def on_hub(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The model in ``folder`` as a hub's cache holds it, with the hub out of reach."""
    import huggingface_hub.constants as hub

    commit = "1" * 40
    shutil.copytree(folder, cache / "models--org--name" / "snapshots" / commit)
    (cache / "models--org--name" / "refs").mkdir()
    (cache / "models--org--name" / "refs" / "main").write_text(commit, encoding="utf-8")
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(cache))
    return "hf:org/name"


def test_a_model_on_a_hub_is_held_against_its_statement(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_statement(folder, stated())
    name = on_hub(tmp_path / "good", folder, monkeypatch)
    assert models.load_model(models.resolve(name), "float32").num_parameters() > 0
    assert Base.of(models.resolve(name)).earlier[0].epsilon == 7.98
    tiny.save(folder, "GPT2", tiny.tokenizer(), seed=1)
    name = on_hub(tmp_path / "bad", folder, monkeypatch)
    with pytest.raises(ConfigError, match="another SHA-256"):
        models.load_model(models.resolve(name), "float32")
    (folder / "privacy.json").unlink()
    name = on_hub(tmp_path / "none", folder, monkeypatch)
    assert models.load_model(models.resolve(name), "float32").num_parameters() > 0


def test_other_files_may_change(folder: Path) -> None:
    write_statement(folder, stated())
    (folder / "notes.txt").write_text("ours", encoding="utf-8")
    assert check(folder) is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a privacy statement"),
        ("{}", "version: is None, and this evenhand reads 1"),
        ('{"version": true}', "version: is True"),
        ('{"version": 2}', "version: is 2"),
        ('{"version": 1, "epsilon": 3}', "epsilon: unknown key"),
    ],
)
def test_what_is_no_statement_is_one_line_that_names_the_file(folder: Path, text: str, says: str) -> None:
    (folder / "privacy.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=says) as caught:
        load(folder)
    assert str(folder / "privacy.json") in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_statement_that_is_a_folder_or_a_dead_link_is_refused(folder: Path) -> None:
    (folder / "privacy.json").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        check(folder)
    (folder / "privacy.json").rmdir()
    (folder / "privacy.json").symlink_to(folder / "gone.json")
    with pytest.raises(ConfigError, match="link to nothing"):
        check(folder)


def edited(folder: Path, **changes: Any) -> None:
    path = folder / "privacy.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_a_statement_contradicting_itself_is_refused(folder: Path) -> None:
    write_statement(folder, stated())
    edited(folder, private=False)
    with pytest.raises(ConfigError, match="stands where private is true"):
        check(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epsilon": 7.0}, "lies below what PRV gives"),
        ({"epsilon": float("inf")}, "epsilon"),
        ({"unit": "customer"}, "rows_per_customer"),
        ({"rows_per_customer": 3}, "rows_per_customer"),
        ({"sampling": {**SAMPLED.model_dump(), "steps_applied": 301}}, "more than were paid"),
        ({"sampling": {**SAMPLED.model_dump(), "steps_planned": 299}}, "more than were planned"),
        ({"accountants": (PROMISE["accountants"][1], Accountant(name="PRV", version="1", epsilon=9.0))}, "what PRV"),
    ],
)
def test_a_promise_that_cannot_be_is_not_made(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        stated(**changes)


def test_nothing_is_stated_about_no_weights(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no weights"):
        write_statement(tmp_path, stated())


def test_a_training_without_privacy_says_so(folder: Path) -> None:
    statement = make_statement(promise=None, trained=TRAINED, base=Base(name="hf:org/name"), seed="system")
    written = write_statement(folder, statement)
    assert not written.private
    text = write_card(folder, written).read_text(encoding="utf-8")
    assert "No promise of privacy" in text
    assert "epsilon |" not in text
    tiny.save(folder, "GPT2", tiny.tokenizer(), seed=1)
    with pytest.raises(ConfigError, match="does not belong") as caught:
        check(folder)
    assert "epsilon" not in str(caught.value)


def test_a_given_seed_voids_the_promise_in_words() -> None:
    assert "whoever knows it can take the noise off" in stated(seed="given").not_covered[0]
    assert "promises nothing" in stated(seed="given").in_words
    assert "seed" not in " ".join((*stated().not_covered, stated().in_words))


def test_a_promise_says_what_its_base_was_trained_on_before(folder: Path, tmp_path: Path) -> None:
    """Else a private training on top of a bare one would pass for a private model."""
    bare = make_statement(promise=None, trained=TRAINED, base=Base(name="hf:org/name"), seed="system")
    write_statement(folder, bare)
    base = Base.of(models.resolve(str(folder)))
    assert [one.private for one in base.earlier] == [False]
    promise = Promise(**PROMISE)
    second = make_statement(promise=promise, trained=TRAINED, base=base, seed="system")
    for text in (second.in_words, second.not_covered[0]):
        assert "had been fine-tuned without differential privacy" in text
    written = write_statement(folder, second)
    assert check(folder) == written
    assert "without differential privacy" in write_card(folder, written).read_text(encoding="utf-8")
    third = make_statement(promise=promise, trained=TRAINED, base=Base.of(models.resolve(str(folder))), seed="system")
    assert [one.epsilon for one in third.base.earlier] == [None, 7.98]
    assert "without differential privacy" in third.in_words
    assert "(7.98, 1e-05) for each record was spent before" in third.in_words
    assert "adds up" in " ".join(third.not_covered)


def test_the_unit_is_said_in_words() -> None:
    assert "one record with its counterfactual copies (up to 1)" in stated().in_words
    of_customers = stated(unit="customer", rows_per_customer=8, copies=0)
    assert "one customer with at most 8 records" in of_customers.in_words


def test_nothing_that_tells_of_the_data_stands_in_a_statement() -> None:
    """A hash of the data, or its exact size, would be a figure computed from it without noise."""
    keys: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            keys.update(value)
            list(map(walk, value.values()))

    walk(json.loads(stated().model_dump_json()))
    assert not {key for key in keys if "loss" in key or "records" in key or "sha" in key or "data" in key}


def test_a_base_that_is_a_folder_is_named_without_its_path(llama_folder: Path) -> None:
    assert Base.of(models.resolve(str(llama_folder))) == Base(name=llama_folder.name)
    assert Base.of(models.resolve(f"hf:{llama_folder}")) == Base(name=llama_folder.name)
    assert Base.of(models.resolve("hf:org/name@v2")) == Base(name="hf:org/name", revision="v2")


def test_the_card_says_what_the_statement_says(folder: Path) -> None:
    written = write_statement(folder, stated(seed="given"))
    text = write_card(folder, written).read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert head["library_name"] == "transformers"
    assert "differential-privacy" in head["tags"]
    for words in (
        "| epsilon | 7.98 |",
        "| delta | 1e-05 |",
        "| accountant: PLD (dp-accounting 0.6.0) | epsilon 7.97 |",
        "each unit with probability 0.01 a step",
        "300 paid, of which 2 were lost in crashes",
        "| noise multiplier | 0.71 |",
        f"{written.weights['model.safetensors']}  model.safetensors",
        *written.not_covered,
    ):
        assert words in body
