from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit import tables
from audit.backends import open_backend
from audit.backends.local import LocalBackend
from audit.config import Config, load_config, parse
from audit.errors import BackendError, ConfigError
from audit.probes import expand
from tests import tiny


@pytest.fixture(scope="module")
def config_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Config]:
    """The small audit on a model's folder, with changes to [model] and [run]."""
    folder = tmp_path_factory.mktemp("audit")

    def build(model: Path, run: Mapping[str, Any] = {}, **settings: Any) -> Config:
        config = load_config(tiny.write_audit(folder, model))
        return config.changed("model", **settings).changed("run", **run)

    return build


def answers(config: Config) -> pa.Table:
    """All completions of the small audit, in the order of its probes."""
    _, probes = expand(config)
    backend = open_backend(config)
    whole = pa.concat_tables([backend.complete(probes, batch) for batch in backend.plan(probes)])
    place = {name: number for number, name in enumerate(probes["probe_id"].to_pylist())}
    keys = [
        (place[name], draw) for name, draw in zip(*(whole[c].to_pylist() for c in ("probe_id", "draw")), strict=True)
    ]
    return tables.check("completions", whole.take(sorted(range(len(keys)), key=keys.__getitem__)))


@pytest.mark.parametrize("draws", [1, 3])
def test_a_plan_holds_every_probe_once_and_every_draw_of_a_text(
    draws: int, gpt2_folder: Path, config_of: Callable[..., Config]
) -> None:
    config = config_of(gpt2_folder, {"draws": draws}, batch_size=7, batch_tokens=200)
    _, probes = expand(config)
    forms = probes["output_form"].to_pylist()
    planned = [
        (int(row), int(draw), batch.kind)
        for batch in open_backend(config).plan(probes)
        for row, draw in zip(batch.rows, batch.draws, strict=True)
    ]
    expected = [(row, d, form) for row, form in enumerate(forms) for d in range(draws if form == "text" else 1)]
    assert sorted(planned) == expected


def test_the_same_probes_give_the_same_plan(gpt2_folder: Path, config_of: Callable[..., Config]) -> None:
    config = config_of(gpt2_folder, batch_size=7, batch_tokens=200)
    _, probes = expand(config)
    first, second = ([b.rows.tolist() for b in open_backend(config).plan(probes)] for _ in range(2))
    assert first == second
    assert len(first) > 10


@pytest.mark.parametrize("folder", ["gpt2_folder", "llama_folder"])
def test_answers_do_not_depend_on_the_batches(
    folder: str, config_of: Callable[..., Config], request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(folder)
    small, large = (answers(config_of(model, batch_tokens=t, batch_size=s)) for t, s in ((64, 2), (4096, 64)))
    assert small["text"].equals(large["text"])
    assert small["support"].equals(large["support"])
    for one, other in zip(small["option_logprobs"].to_pylist(), large["option_logprobs"].to_pylist(), strict=True):
        assert one is None or np.abs(np.subtract(one, other)).max() < 1e-4


def test_a_draw_is_a_text_of_its_own(gpt2_folder: Path, config_of: Callable[..., Config]) -> None:
    table = answers(config_of(gpt2_folder, {"draws": 2}))
    texts = table.filter(pa.compute.equal(table["mode"], "sampled"))
    assert texts["draw"].to_pylist() == [0, 1] * (texts.num_rows // 2)
    pairs = texts["text"].to_pylist()
    assert sum(first != second for first, second in zip(pairs[::2], pairs[1::2], strict=True)) > len(pairs) / 4


def test_a_model_with_a_shorter_window_than_its_prompts_is_read_in_plain_batches(
    tmp_path: Path, config_of: Callable[..., Config]
) -> None:
    words = tiny.tokenizer()
    long, short = (
        answers(config_of(tiny.save(tmp_path / name, "Mistral", words, sliding_window=window), {"max_new_tokens": 2}))
        for name, window in (("long", 400), ("short", 34))
    )
    assert set(short["finish_reason"].to_pylist()) <= {"exact", "length", "stop"}
    assert not long["option_logprobs"].equals(short["option_logprobs"])


def test_a_prompt_that_does_not_fit_is_a_row_with_an_error(tmp_path: Path, config_of: Callable[..., Config]) -> None:
    model = tiny.save(tmp_path, "GPT2", tiny.tokenizer(), n_positions=52)
    table = answers(config_of(model))
    rows = table.to_pylist()
    failed = [row for row in rows if row["finish_reason"] == "error"]
    assert 0 < len(failed) < len(rows)
    for row in rows:
        room = 4 if row["mode"] == "sampled" else 8
        fits = row["prompt_tokens"] + room <= 52
        assert (row["error"] is None) is fits
        if not fits:
            assert row["error"] == (
                f"the prompt has {row['prompt_tokens']} tokens and the answer may take {room}, but the model takes 52"
            )
            assert row["text"] is None
            assert row["support"] is None


def test_the_description_says_what_the_report_needs(
    gpt2_folder: Path, llama_folder: Path, config_of: Callable[..., Config]
) -> None:
    plain, chatty = (open_backend(config_of(folder)).describe() for folder in (gpt2_folder, llama_folder))
    assert (plain["chat_template"], chatty["chat_template"]) == (False, True)
    assert plain["engine"] == "shared-prefix tree"
    assert plain["decision_precision"] == "float32"
    assert plain["threads"] == 1
    assert len(plain["weights_sha256"]) == 64
    assert plain["weights_sha256"] != chatty["weights_sha256"]


def test_a_model_saved_again_is_another_model(tmp_path: Path, config_of: Callable[..., Config]) -> None:
    words = tiny.tokenizer()
    config = config_of(tiny.save(tmp_path, "GPT2", words))
    before = open_backend(config).identity()
    assert open_backend(config).identity() == before
    tiny.save(tmp_path, "GPT2", words, seed=1)
    assert open_backend(config).identity() != before


def test_a_model_that_fails_says_so_in_one_line(
    gpt2_folder: Path, config_of: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(gpt2_folder)
    _, probes = expand(config)
    backend = open_backend(config)
    monkeypatch.setattr(
        LocalBackend, "_answer", lambda *args: (_ for _ in ()).throw(RuntimeError("out of memory\nhere"))
    )
    with pytest.raises(
        BackendError, match=r"failed on a \w+ batch of \d+ \(out of memory\); finished batches are kept"
    ):
        backend.complete(probes, backend.plan(probes)[0])


def test_a_model_that_overlooks_the_padding_is_refused(tmp_path: Path, config_of: Callable[..., Config]) -> None:
    import torch
    import transformers

    words = tiny.tokenizer()
    torch.manual_seed(0)
    settings = transformers.RwkvConfig(vocab_size=len(words), hidden_size=32, num_hidden_layers=2, context_length=256)
    transformers.AutoModelForCausalLM.from_config(settings).save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    with pytest.raises(BackendError, match="would depend on their batch"):
        open_backend(config_of(tmp_path)).describe()


def test_a_probe_that_asks_for_a_ranking_is_refused(gpt2_folder: Path, config_of: Callable[..., Config]) -> None:
    config = config_of(gpt2_folder)
    _, probes = expand(config)
    forms = pa.array(["ranking", *probes["output_form"].to_pylist()[1:]])
    strange = probes.set_column(probes.schema.get_field_index("output_form"), probes.schema.field("output_form"), forms)
    with pytest.raises(ConfigError, match="output form 'ranking'"):
        open_backend(config).plan(strange)


@pytest.mark.parametrize(("name", "kind"), [("embedded:no", "embedded"), ("hf:org/name", None), ("nonsense", None)])
def test_the_part_before_the_colon_picks_the_backend(name: str, kind: str | None) -> None:
    config = parse(Config, {"model": {"name": name}}, "test")
    if name.startswith("hf:"):
        assert isinstance(open_backend(config), LocalBackend)
    else:
        with pytest.raises(ConfigError, match="unknown"):
            open_backend(config)
