from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from click.testing import CliRunner, Result

from audit import cli, pipeline, tables
from audit.backends import models
from audit.config import Config, load_config
from audit.errors import ConfigError
from audit.planning import plan
from audit.planning.requests import count
from audit.planning.show import to_json, to_text
from audit.planning.speed import parameters
from audit.probes import expand
from tests import tiny


@pytest.fixture
def audit(tmp_path: Path, llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A small audit of a small model, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return load_config(tiny.write_audit(tmp_path, llama_folder, run="draws = 2\nmanipulation = false"))


def evenhand(*words: object) -> Result:
    return CliRunner().invoke(cli.main, list(map(str, words)), prog_name="evenhand")


def test_requests_and_tokens_are_those_of_the_run(audit: Config, tmp_path: Path) -> None:
    found = plan(audit, timed=False)
    folder, _ = pipeline.run_audit(audit, tmp_path / "run")
    completions, probes = (tables.read(name, folder / f"{name}.parquet") for name in ("completions", "probes"))
    written = completions.select(["probe_id", "prompt_tokens", "completion_tokens"])
    asked = written.join(probes.select(["probe_id", "task", "arm"]), "probe_id")
    for row in found.requests:
        mine = asked.filter(pc.and_(pc.equal(asked["task"], row.task), pc.equal(asked["arm"], row.arm)))
        assert (mine.num_rows, pc.sum(mine["prompt_tokens"]).as_py()) == (row.requests, row.prompt_tokens)
        assert row.output_form != "text" or pc.sum(mine["completion_tokens"]).as_py() <= row.sampled_tokens
        assert row.sampled_tokens == (4 * row.requests if row.output_form == "text" else 0)
    assert sum(row.requests for row in found.requests) == completions.num_rows


def test_what_prompts_share_is_read_once(audit: Config) -> None:
    work = plan(audit, timed=False).work
    assert work.computed_tokens is not None
    assert 0.1 * work.prompt_tokens < work.computed_tokens < 0.6 * work.prompt_tokens
    assert work.tokens_by == "by the model's own tokenizer"


def test_nothing_is_written_and_no_weights_are_loaded(
    audit: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("a plan loads no weights")

    monkeypatch.setattr(models, "load_model", refuse)
    before = sorted(tmp_path.rglob("*"))
    assert plan(audit).work.seconds
    assert sorted(tmp_path.rglob("*")) == before


class Elsewhere:
    """A backend whose tokens are not known here."""


def test_tokens_of_a_model_elsewhere_are_estimated_and_said_to_be(audit: Config) -> None:
    _, probes = expand(audit)
    counted = count(probes, Elsewhere(), audit)  # type: ignore[arg-type]
    assert (counted.computed, counted.cost) == (None, None)
    assert counted.words == "estimated, 4 characters a token"
    letters = sum(
        len(m["content"]) for row in probes.to_pylist() if row["output_form"] != "text" for m in row["messages"]
    )
    tokens = sum(row.prompt_tokens for row in counted.requests if row.output_form != "text")
    assert letters / 4 <= tokens <= letters / 4 + probes.num_rows


def test_parameters_are_counted_without_weights(audit: Config, llama_folder: Path) -> None:
    from audit.backends import open_backend

    backend = open_backend(audit)
    assert parameters(backend) == models.load_model(models.resolve(str(llama_folder)), "float32").num_parameters()
    assert parameters(Elsewhere()) is None  # type: ignore[arg-type]


def test_time_is_that_of_an_earlier_run_of_the_model(audit: Config, tmp_path: Path) -> None:
    folder, _ = pipeline.run_audit(audit, tmp_path / "run")
    path = folder / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["stages"]["complete"]["seconds"] = 1000.0
    path.write_text(json.dumps(data), encoding="utf-8")
    work = plan(audit, run=folder).work
    assert (work.seconds, work.time_by) == (pytest.approx(1000.0), "rough, at the speed of the run run")
    half = plan(audit.changed("run", tasks=["swap"]), run=folder).work
    assert half.seconds is not None
    assert half.seconds < 700
    other = tiny.save(tmp_path / "other", "Llama", tiny.tokenizer(single_digits=True, chat_template=tiny.CHATML))
    assert "GFLOP/s" in plan(audit.changed("model", name=str(other)), run=folder).work.time_by


def test_every_rule_stands_in_the_plan(audit: Config) -> None:
    found = plan(audit, timed=False)
    assert [(row.rule, row.group) for row in found.rules] == [("swap-gender", "female"), ("rebate-age", "older")]
    assert (found.tests, found.claims, found.alpha) == (4, 2, 0.05)
    assert all(row.mde for row in found.rules)


def test_an_unknown_task_is_an_error(audit: Config) -> None:
    with pytest.raises(ConfigError, match="unknown task"):
        plan(audit.changed("run", tasks=["nonsense"]))


def test_the_text_has_every_task_arm_and_rule(audit: Config) -> None:
    found = plan(audit, timed=False)
    text = to_text(found)
    for row in found.requests:
        assert f"{row.task}  " in text and row.arm in text
    for rule in found.rules:
        (line,) = [line for line in text.splitlines() if line.startswith(rule.rule)]
        assert f"{rule.group} – {rule.reference}" in line
        assert f"{rule.mde:.2g}" in line
    assert "0.05/4" in text
    assert found.components_by in text


def test_one_of_a_thing_is_told_in_the_singular(audit: Config) -> None:
    found = plan(audit, timed=False)
    row = replace(found.rules[0], more_personas=1, more_templates=12, sample=0)
    text = to_text(replace(found, rules=(row,)))
    assert "1 more name a group, 12 more templates, every text (sample = 0)" in text


def test_json_is_the_plan_as_data(audit: Config) -> None:
    found = plan(audit, timed=False)
    data = json.loads(to_json(found))
    assert data["work"]["prompt_tokens"] == found.work.prompt_tokens
    assert [row["mde"] for row in data["rules"]] == [row.mde for row in found.rules]
    missing = replace(found, rules=(replace(found.rules[0], mde=float("nan")),))
    assert json.loads(to_json(missing))["rules"][0]["mde"] is None


def test_the_verb_prints_what_the_function_gives(audit: Config, tmp_path: Path) -> None:
    done = evenhand("plan", "--config", tmp_path / "evenhand.toml", "--task", "swap", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert {row["task"] for row in data["requests"]} >= {"swap"}
    assert "rebate" not in {row["task"] for row in data["requests"]}
    text = evenhand("plan", "--config", tmp_path / "evenhand.toml")
    assert text.exit_code == 0
    assert text.stdout.startswith("model   ")
    assert not (tmp_path / ".evenhand").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--model", "nonsense"], "model 'nonsense': unknown"),
        (["--from", "nowhere"], "nowhere: not a run folder"),
        (["--config", "absent.toml"], "there is no such file"),
        (["--task", "nonsense"], "unknown task"),
        (["--sample", "-1"], "sample"),
    ],
)
def test_a_mistake_is_one_line_and_exits_2(words: list[str], complaint: str, audit: Config) -> None:
    done = evenhand("plan", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert complaint in done.stderr
