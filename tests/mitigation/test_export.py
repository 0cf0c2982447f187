"""Merged models: the same answers as with adapters, and files like the base model's own."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError, safe_open

from audit.backends import models
from audit.errors import BackendError, ConfigError
from audit.mitigation.card import write_card
from audit.mitigation.export import export_merged
from audit.mitigation.statement import Base, Trained, check, make_statement, read_statement, write_statement
from tests import tiny

peft = pytest.importorskip("peft")

IDS = torch.tensor([[5, 17, 300, 42, 8, 9]])


def base(folder: Path, kind: str, **changes: Any) -> Path:
    return tiny.save(folder, kind, tiny.tokenizer(chat_template=tiny.CHATML), **changes)


def adapters(
    folder: Path, base_folder: Path, *, named: str | None = None, targets: Any = "all-linear", stated: bool = True
) -> Path:
    """Adapters of random weights on the model in ``base_folder``, with a statement and a card."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1)
    settings = peft.LoraConfig(r=4, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Conv1D, and of layers that are tied
        model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base_folder), settings)
        model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base_folder).save_pretrained(folder)
    if stated:
        trained = Trained(method="lora", rank=4, parameters=10, max_tokens=64)
        about = Base.of(models.resolve(str(base_folder))) if named is None else Base(name=named)
        statement = make_statement(promise=None, trained=trained, base=about, seed="system")
        write_card(folder, write_statement(folder, statement))
    return folder


def logits(folder: Path) -> Any:
    model = models.load_model(models.resolve(str(folder)), "float32")
    with torch.inference_mode():
        return model(input_ids=IDS).logits


def shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping


@pytest.fixture(
    params=[("Llama", {"tie_word_embeddings": False}), ("Llama", {"tie_word_embeddings": True}), ("GPT2", {})],
    ids=["llama-untied", "llama-tied", "gpt2"],
)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    kind, changes = request.param
    under = base(tmp_path / "base", kind, **changes)
    return under, adapters(tmp_path / "adapters", under)


@pytest.fixture
def llama(tmp_path: Path) -> tuple[Path, Path]:
    under = base(tmp_path / "base", "Llama")
    return under, adapters(tmp_path / "adapters", under)


def test_a_merged_model_answers_as_with_adapters(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    under, tuned = pair
    out = export_merged(tuned, tmp_path / "merged")
    assert torch.allclose(logits(out), logits(tuned), atol=1e-5)
    assert not torch.allclose(logits(out), logits(under), atol=1e-2)


def test_its_weights_have_the_names_and_shapes_of_the_base_models_own(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    under, tuned = pair
    out = export_merged(tuned, tmp_path / "merged")
    assert shapes(out) == shapes(under)


def test_the_folder_is_all_that_a_server_needs(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    under, tuned = pair
    out = export_merged(tuned, tmp_path / "merged")
    names = {path.name for path in out.iterdir()}
    expected = {path.name for path in under.iterdir()}
    assert {"tokenizer.json", "config.json", "chat_template.jinja"} <= expected <= names
    assert not {name for name in names if name.startswith("adapter")}
    config, own = (json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in (out, under))
    assert config["architectures"] == own["architectures"]
    assert not {"quantization_config", "peft_config"} & config.keys()
    for path in (*out.glob("*.json"), out / "README.md"):
        assert str(tmp_path) not in path.read_text(encoding="utf-8"), path.name
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_statement_goes_along_and_says_where_from(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    before = read_statement(pair[1])
    after = check(export_merged(pair[1], tmp_path / "merged"))
    assert before is not None and after is not None
    assert after.merged_from == before.weights
    assert after.weights.keys() == {"model.safetensors"}
    assert after.promise == before.promise
    assert "merged into the weights" in (tmp_path / "merged" / "README.md").read_text(encoding="utf-8")


def test_half_precision_is_the_full_one_rounded(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    full = export_merged(pair[1], tmp_path / "full")
    half = export_merged(pair[1], tmp_path / "half", dtype="bfloat16")
    with safe_open(full / "model.safetensors", "pt") as one, safe_open(half / "model.safetensors", "pt") as other:
        for name in one.keys():  # noqa: SIM118 - no mapping
            assert torch.equal(one.get_tensor(name).to(torch.bfloat16), other.get_tensor(name))


def test_adapters_without_a_statement_are_merged_without_one(tmp_path: Path) -> None:
    under = base(tmp_path / "base", "Llama")
    out = export_merged(adapters(tmp_path / "adapters", under, stated=False), tmp_path / "merged")
    assert check(out) is None


def test_adapters_that_the_statement_is_not_of_are_not_merged(tmp_path: Path, llama: tuple[Path, Path]) -> None:
    shutil.copy(llama[0] / "model.safetensors", llama[1] / "adapter_model.safetensors")
    with pytest.raises(ConfigError, match="does not belong to these weights"):
        export_merged(llama[1], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_nothing_is_written_over(tmp_path: Path, llama: tuple[Path, Path]) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is there already"):
        export_merged(llama[1], tmp_path / "merged")
    assert [path.name for path in (tmp_path / "merged").iterdir()] == ["mine.txt"]


def test_a_whole_model_is_not_merged(tmp_path: Path, gpt2_folder: Path) -> None:
    with pytest.raises(ConfigError, match="holds no adapters"):
        export_merged(gpt2_folder, tmp_path / "merged")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("No space left on device")])
def test_an_export_that_fails_leaves_nothing(
    tmp_path: Path, llama: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    import audit.mitigation.export as room

    def full(folder: Path, statement: object) -> None:
        raise error

    monkeypatch.setattr(room, "write_statement", full)
    with pytest.raises(ConfigError, match=r"No space left on device.*; make room"):
        export_merged(llama[1], tmp_path / "merged")
    assert {path.name for path in tmp_path.iterdir()} == {"base", "adapters"}


def test_adapters_on_weights_that_two_layers_share_are_not_merged_into_one(tmp_path: Path) -> None:
    under = base(tmp_path / "base", "Llama", tie_word_embeddings=True)
    tuned = adapters(tmp_path / "adapters", under, targets=["lm_head", "q_proj"])
    with pytest.raises(BackendError, match="use the adapters unmerged"):
        export_merged(tuned, tmp_path / "merged")


# ---------------------------------------------------------------- a base that lies elsewhere


def moved(tuned: Path, under: Path) -> None:
    """As on another machine: the base model's folder is gone."""
    shutil.rmtree(under)
    assert not Path(json.loads((tuned / "adapter_config.json").read_text())["base_model_name_or_path"]).exists()


def test_the_embedded_model_is_found_on_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (base(tmp_path / name, "Llama") for name in ("cache-1", "cache-2"))
    tuned = adapters(tmp_path / "adapters", first, named="embedded:smollm2")
    expected = logits(tuned)
    monkeypatch.setattr("audit.backends.embedded.ensure", lambda name: second)
    moved(tuned, first)
    assert torch.equal(logits(tuned), expected)
    assert torch.allclose(logits(export_merged(tuned, tmp_path / "merged")), expected, atol=1e-5)


def test_the_path_in_the_adapters_config_can_be_taken_out_as_the_card_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    under = base(tmp_path / "cache", "Llama")
    tuned = adapters(tmp_path / "adapters", under, named="embedded:smollm2")
    expected = logits(tuned)
    assert "write `/base` in its place" in (tuned / "README.md").read_text(encoding="utf-8")
    path = tuned / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": "/base"}
    path.write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setattr("audit.backends.embedded.ensure", lambda name: under)
    assert torch.equal(logits(tuned), expected)


def test_a_base_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    under = base(tmp_path / "base", "Llama")
    tuned = adapters(tmp_path / "adapters", under)
    moved(tuned, under)
    with pytest.raises(ConfigError, match=r"base_model_name_or_path: .* is no folder of this machine"):
        logits(tuned)
    with pytest.raises(ConfigError, match="is no folder of this machine"):
        export_merged(tuned, tmp_path / "merged")


def test_adapters_of_another_model_are_one_line(tmp_path: Path) -> None:
    under, other = base(tmp_path / "base", "Llama"), base(tmp_path / "other", "Llama", hidden_size=64)
    tuned = adapters(tmp_path / "adapters", under)
    config = json.loads((tuned / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = str(other)
    (tuned / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigError, match="its adapters do not fit") as caught:
        export_merged(tuned, tmp_path / "merged")
    assert len(str(caught.value).splitlines()) == 1


def test_a_damaged_adapter_config_is_one_line(tmp_path: Path, llama_folder: Path) -> None:
    tuned = adapters(tmp_path / "adapters", llama_folder)
    (tuned / "adapter_config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"adapter_config.json: cannot be read"):
        logits(tuned)
