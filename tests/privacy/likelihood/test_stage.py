"""The whole stage: rows in order, killed and resumed, adapters on and off, and what can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audit import tables
from audit.config import ModelConfig
from audit.errors import BackendError, ConfigError
from audit.privacy.likelihood import Passage, Scorer, Span, not_scored, score_passages
from audit.progress import Silent
from tests import tiny

# Every text of the tests is a batch of its own with so small a budget, or shares one with another.
SMALL = 40


class Recorder(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.advances: list[tuple[int, str]] = []
        self.warnings: list[str] = []

    def begin(self, stage: str, total: int) -> None:
        self.stages.append((stage, total))

    def advance(self, done: int, note: str, left: float | None) -> None:
        self.advances.append((done, note))

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("likelihoods.parts-*/[0-9]*.parquet"))


def scored(folder: Path, model: Any, passages: Any, **options: Any) -> Any:
    return score_passages(folder, model, passages, **{"table": "likelihoods", **options})


def test_each_passage_has_the_log_probabilities_of_a_plain_pass(
    tmp_path: Path, gpt2: Scorer, words: Any, passages: list[Passage]
) -> None:
    found = scored(tmp_path, gpt2, passages, batch_tokens=SMALL)
    tables.check("likelihoods", found)
    assert found.column("passage_id").to_pylist() == [passage.passage_id for passage in passages]
    for row, passage in zip(found.to_pylist(), passages, strict=True):
        ids = torch.tensor([words(passage.text)["input_ids"]])
        with torch.inference_mode():
            expected = gpt2.model(ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
        np.testing.assert_allclose(row["token_logprobs"], expected, atol=1e-5, rtol=1e-5)
        assert row["n_tokens"] == len(row["token_z"]) == len(row["greedy"]) == ids.shape[1] - 1
        assert not row["truncated"]


def test_the_size_of_batches_changes_nothing_but_rounding(
    tmp_path: Path, gpt2: Scorer, passages: list[Passage]
) -> None:
    one = scored(tmp_path / "one", gpt2, passages, batch_tokens=1).to_pylist()
    many = scored(tmp_path / "many", gpt2, passages, batch_tokens=4096).to_pylist()
    for a, b in zip(one, many, strict=True):
        for column in ("token_logprobs", "token_z"):
            np.testing.assert_allclose(a.pop(column), b.pop(column), atol=2e-5, rtol=2e-5)
        assert a == b


def test_greedy_hits_are_what_greedy_decoding_writes(tmp_path: Path, words: Any) -> None:
    # A model of little spread repeats itself in tokens that are cut again as they were written.
    scorer = Scorer(ModelConfig(name=str(tiny.save(tmp_path / "model", "Llama", words, initializer_range=0.05))))
    prompt = words("Dear shop, I love", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        whole = scorer.model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=20, min_new_tokens=20
        )[0].tolist()
    text = words.decode(whole)
    again = words(text)["input_ids"]
    same = next((i for i, pair in enumerate(zip(again, whole, strict=False)) if pair[0] != pair[1]), len(again))
    assert same > prompt.shape[1], "not one written token is cut as it was written"
    hits = scored(tmp_path, scorer, [Passage("a", text)]).to_pylist()[0]["greedy"]
    assert all(hits[prompt.shape[1] - 1 : same - 1])
    assert not all(hits)


def test_spans_are_told_in_scored_tokens(tmp_path: Path, gpt2: Scorer, words: Any) -> None:
    text = "The order of 王小明 🙂 came late."
    start = text.index("王小明")
    row = scored(tmp_path, gpt2, [Passage("a", text, (Span("PERSON", start, start + 3),))]).to_pylist()[0]
    (span,) = row["spans"]
    ids = words(text)["input_ids"][1:]
    assert "王小明" in words.decode(ids[span["first"] : span["last"]])
    assert span["name"] == "PERSON"


def test_what_is_longer_is_cut_and_says_so(tmp_path: Path, gpt2: Scorer) -> None:
    rows = scored(tmp_path, gpt2, [Passage("a", "order " * 50), Passage("b", "order " * 3)], max_tokens=20).to_pylist()
    assert [row["truncated"] for row in rows] == [True, False]
    assert rows[0]["n_tokens"] == 19


def test_a_model_is_never_given_more_than_it_takes(tmp_path: Path, words: Any) -> None:
    folder = tiny.save(tmp_path / "model", "GPT2", words, n_positions=32)
    row = scored(tmp_path, ModelConfig(name=str(folder)), [Passage("a", "order " * 50)]).to_pylist()[0]
    assert row["n_tokens"] == 31 and row["truncated"]


def test_passages_without_a_scored_token_are_named(tmp_path: Path, gpt2: Scorer) -> None:
    told = Recorder()
    passages = [Passage("empty", ""), Passage("a", "Dear shop"), Passage("single", "a")]
    found = scored(tmp_path, gpt2, passages, progress=told)
    assert found.column("passage_id").to_pylist() == ["a"]
    assert not_scored(passages, found) == ["empty", "single"]
    assert told.warnings == ["2 passages are too short to be scored"]


def test_no_passage_gives_an_empty_table(tmp_path: Path, gpt2: Scorer) -> None:
    assert tables.check("likelihoods", scored(tmp_path, gpt2, [])).num_rows == 0


# ---------------------------------------------------------------- stopped and started again


CHILD = """
import sys, time
from pathlib import Path
from audit.config import ModelConfig
from audit.privacy.likelihood import Passage, score_passages
from audit.progress import Silent

class Slow(Silent):
    def advance(self, done, note, left):
        time.sleep(0.2)

folder, model, *texts = sys.argv[1:]
passages = [Passage(f"p{number}", text) for number, text in enumerate(texts)]
score_passages(Path(folder), ModelConfig(name=model), passages, table="likelihoods", batch_tokens=40, progress=Slow())
"""


def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(
    tmp_path: Path, gpt2: Scorer, gpt2_folder: Path, passages: list[Passage], repository: Path
) -> None:
    whole = tables.write(
        "likelihoods", scored(tmp_path / "whole", gpt2, passages, batch_tokens=SMALL), tmp_path / "whole.parquet"
    )
    out = tmp_path / "killed"
    command = [sys.executable, "-c", CHILD, str(out), str(gpt2_folder), *(passage.text for passage in passages)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=repository, env=environment, stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 120
        while len(parts(out)) < 3:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept = {part.name: part.stat().st_mtime_ns for part in parts(out)}
    assert 3 <= len(kept) < len(parts(tmp_path / "whole"))
    told = Recorder()
    again = scored(out, gpt2, passages, batch_tokens=SMALL, progress=told)
    assert told.advances[0] == (len(kept), "found on disk")
    assert told.stages == [("likelihoods", len(parts(tmp_path / "whole")))]
    assert {part.name: part.stat().st_mtime_ns for part in parts(out) if part.name in kept} == kept
    assert tables.write("likelihoods", again, tmp_path / "again.parquet").read_bytes() == whole.read_bytes()


def test_a_part_that_was_cut_off_on_disk_is_read_again(tmp_path: Path, gpt2: Scorer, passages: list[Passage]) -> None:
    before = scored(tmp_path, gpt2, passages, batch_tokens=SMALL)
    first, second, *others = parts(tmp_path)
    first.write_bytes(first.read_bytes()[:100])
    second.unlink()
    told = Recorder()
    assert scored(tmp_path, gpt2, passages, batch_tokens=SMALL, progress=told).equals(before)
    assert told.advances[0] == (len(others), "found on disk")


@pytest.mark.parametrize("change", ["text", "span", "max_tokens", "batch_tokens", "precision", "model"])
def test_parts_of_another_task_are_not_mixed_in(
    change: str, tmp_path: Path, gpt2: Scorer, gpt2_folder: Path, words: Any
) -> None:
    passages = [Passage("a", "Dear shop, I am here", (Span("x", 5, 9),)), Passage("b", "Dear customer")]
    scored(tmp_path, gpt2, passages)
    options: dict[str, Any] = {}
    model: Any = gpt2
    if change == "text":
        passages[1] = Passage("b", "Dear friends")
    elif change == "span":
        passages[0] = Passage("a", passages[0].text, (Span("x", 11, 20),))
    elif change == "model":
        model = ModelConfig(name=str(tiny.save(tmp_path / "model", "GPT2", words, seed=4)))
    elif change == "precision":
        model, options = ModelConfig(name=str(gpt2_folder)), {"precision": "bfloat16"}
    else:
        options = {change: 3}
    told = Recorder()
    scored(tmp_path, model, passages, progress=told, **options)
    assert told.advances[0] == (0, "")


def test_a_model_that_fails_loses_no_finished_batch(
    tmp_path: Path, gpt2: Scorer, passages: list[Passage], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scored(tmp_path / "whole", gpt2, passages, batch_tokens=SMALL)
    forward, calls = type(gpt2.model.base_model).forward, []

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) > 4:
            raise RuntimeError("out of memory\nand much more")
        return forward(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(type(gpt2.model.base_model), "forward", failing)
        with pytest.raises(BackendError, match=r"model '.*' failed on a batch of \d+ passages \(out of memory\)"):
            scored(tmp_path, gpt2, passages, batch_tokens=SMALL)
    assert len(parts(tmp_path)) == 4
    assert scored(tmp_path, gpt2, passages, batch_tokens=SMALL).equals(whole)


def test_a_model_of_no_numbers_is_told(tmp_path: Path, words: Any, passages: list[Passage]) -> None:
    scorer = Scorer(ModelConfig(name=str(tiny.save(tmp_path / "model", "GPT2", words))))
    assert scorer.way
    scorer.model.base_model.ln_f.weight.fill_(float("nan"))
    with pytest.raises(BackendError, match="its probabilities are not numbers"):
        scored(tmp_path, scorer, passages)


def test_an_id_that_stands_twice_is_told(tmp_path: Path, gpt2: Scorer) -> None:
    with pytest.raises(ConfigError, match="passage 'a' stands 2 times; give each an id of its own"):
        scored(tmp_path, gpt2, [Passage("a", "one"), Passage("b", "two"), Passage("a", "three")])


def test_a_model_without_weights_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="model 'planted:x': does not run here"):
        scored(tmp_path, ModelConfig(name="planted:x"), [])


# ---------------------------------------------------------------- adapters


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> Path:
    """A folder with adapters for the tiny Llama, as peft saves them, and a tokenizer."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("lora")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's own, of making adapters
        torch.manual_seed(1)
        settings = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        peft.get_peft_model(AutoModelForCausalLM.from_pretrained(llama_folder), settings).save_pretrained(folder)
        AutoTokenizer.from_pretrained(llama_folder).save_pretrained(folder)
    return folder


def test_adapters_off_is_the_base_model(
    tmp_path: Path, lora: Path, llama_folder: Path, passages: list[Passage]
) -> None:
    scorer = Scorer(ModelConfig(name=str(lora)))
    assert scorer.has_adapters()
    base = scored(tmp_path / "base", ModelConfig(name=str(llama_folder)), passages)
    off = scored(tmp_path, scorer, passages, table="likelihoods-base", adapters="off")
    on = scored(tmp_path, scorer, passages)
    assert off.equals(base)
    first, second = (table.column("token_logprobs").combine_chunks().flatten().to_numpy() for table in (on, off))
    assert np.abs(first - second).max() > 0.1


def test_adapters_of_another_base_are_another_model(tmp_path: Path, lora: Path, llama_folder: Path) -> None:
    first = Scorer(ModelConfig(name=str(lora))).identity()
    os.utime(llama_folder / "config.json")
    assert Scorer(ModelConfig(name=str(lora))).identity() != first


def test_a_model_without_adapters_cannot_take_them_off(tmp_path: Path, gpt2: Scorer) -> None:
    with pytest.raises(ConfigError, match="has no adapters to take off; name its base model itself"):
        scored(tmp_path, gpt2, [Passage("a", "Dear shop")], adapters="off")


def test_models_of_different_tokens_read_the_same_passages(
    tmp_path: Path, gpt2: Scorer, llama_folder: Path, passages: list[Passage]
) -> None:
    one = scored(tmp_path, gpt2, passages)
    other = scored(tmp_path, ModelConfig(name=str(llama_folder)), passages, table="likelihoods-base")
    assert one.column("passage_id").equals(other.column("passage_id"))
    assert one.column("zlib_bytes").equals(other.column("zlib_bytes"))
    assert not one.column("n_tokens").equals(other.column("n_tokens"))


def test_the_model_is_described_for_the_manifest(gpt2: Scorer, lora: Path) -> None:
    facts = gpt2.describe()
    assert facts["precision"] == "float32" and facts["device"] == "cpu" and facts["adapters"] is False
    assert len(facts["weights_sha256"]) == len(facts["tokenizer_sha256"]) == 64
    assert Scorer(ModelConfig(name=str(lora))).describe()["adapters"] is True
