from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.config import Config, config_here, load_config, parse
from audit.errors import ConfigError


def written(tmp_path: Path, text: str | bytes, name: str = "evenhand.toml") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_here() is None
    assert load_config() == Config()
    assert load_config().model.name == "embedded:smollm2"


def test_the_file_of_this_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "[run]\nseed = 5\n")
    assert load_config().run.seed == 5


def test_pyproject_is_read_where_it_has_our_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, "[tool.other]\nseed = 1\n", "pyproject.toml")
    assert config_here() is None
    written(tmp_path, "[tool.evenhand.run]\nseed = 6\n", "pyproject.toml")
    assert load_config().run.seed == load_config(path).run.seed == 6
    written(tmp_path, "[run]\nseed = 7\n")
    assert load_config().run.seed == 7, "evenhand.toml comes first"


def test_paths_are_meant_from_the_files_folder(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, '[run]\nsuites = ["s", "/abs"]\npersonas = "p.toml"\n'))
    assert config.run.suites == (tmp_path / "s", Path("/abs"))
    assert config.run.personas == tmp_path / "p.toml"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[run\n", "not valid TOML: "),
        (b"[run]\nlocale = '\xff'\n", "byte 16 is not UTF-8; save the file as UTF-8"),
        ("[run]\nsede = 1\n", "run.sede: unknown key; did you mean 'seed'?"),
        ("[runs]\nseed = 1\n", "runs: unknown key; did you mean 'run'?"),
        ("[model]\nqqq = 1\n", "model.qqq: unknown key; known are batch_size, batch_tokens"),
        ("[run]\nseed = 'x'\n", "run.seed: input should be a valid integer"),
        ("[run]\nseed = -1\n", "run.seed: input should be greater than or equal to 0 (it is -1)"),
        ("[run]\ntasks = 'discount'\n", "run.tasks: input should be a valid tuple (it is 'discount')"),
        ("[model]\ndecision_precision = 'int4'\n", "model.decision_precision: input should be 'float32', 'bfloat16'"),
        ("run = 3\n", "run: input should be"),
        ("[[gate.rules]]\nname = 'a'\n", "gate.rules.0.task: this key is required; add it"),
        (
            "[[gate.rules]]\nname='a'\ntask='t'\nmetric='m'\naxis='x'\ntolerence=1\n",
            "gate.rules.0.tolerence: unknown key; did you mean 'tolerance'?",
        ),
        (
            "[[gate.rules]]\nname='a'\ntask='t'\nmetric='m'\naxis='x'\n",
            "gate.rules.0: rule 'a' has no limit; add tolerance, in the unit of its metric, or ratio, such as 0.8",
        ),
        (
            "[[gate.rules]]\nname='a'\ntask='t'\nmetric='m'\naxis='x'\ntolerance=1\nratio=0.8\n",
            "gate.rules.0: rule 'a' has both a tolerance and a ratio; leave one of them out",
        ),
        (
            "[[gate.rules]]\nname='a'\ntask='t'\nmetric='m'\naxis='x'\nratio=1.25\n",
            "gate.rules.0.ratio: input should be less than 1 (it is 1.25)",
        ),
        (
            "[[gate.rules]]\nname='a'\ntask='t'\nmetric='m:ratio'\naxis='x'\nratio=0.8\n",
            "gate.rules.0: a ratio is of the metric's own means; name metric 'm'",
        ),
        (
            "gate.rules = [{name='a',task='t',metric='m',axis='x',tolerance=1},"
            "{name='a',task='u',metric='m',axis='x',tolerance=1}]",
            "gate: two rules are named 'a'; give each a name of its own",
        ),
    ],
)
def test_a_mistake_is_one_line_with_file_key_and_mend(text: str | bytes, complaint: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: {complaint}")
    assert "\n" not in str(caught.value)


def test_a_named_file_that_is_absent_is_no_default(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file; check the path"):
        load_config(tmp_path / "none.toml")


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        load_config(tmp_path)


def test_changes_from_the_command_line_are_checked_too() -> None:
    with pytest.raises(ConfigError, match=r"the command line: run.sample: .* \(it is -3\)"):
        Config().changed("run", sample=-3)


def test_a_change_of_nothing_changes_nothing() -> None:
    assert Config().changed("run", seed=None, tasks=None) == Config()


def test_a_config_survives_the_manifest() -> None:
    config = Config().changed("run", suites=["a"], tasks=["b"], personas="p.toml").changed("model", threads=2)
    assert parse(Config, json.loads(config.model_dump_json()), "manifest") == config


def test_the_schema_describes_every_section() -> None:
    schema = Config.model_json_schema()
    assert set(schema["properties"]) == {"model", "run", "privacy", "finetune", "mitigation", "reference", "gate"}


def test_values_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().run.seed = 3


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), float("inf")])
def test_an_epsilon_of_a_variant_is_a_number_above_0(epsilon: float) -> None:
    with pytest.raises(ConfigError, match=r"mitigation\.epsilons\.0"):
        Config().changed("mitigation", epsilons=(8.0, epsilon)[1:])
