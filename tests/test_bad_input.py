"""What a person may get wrong: one line that names it, the right exit code, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit import cli, pipeline, tables
from audit.config import load_config
from tests import tiny

Refused = Callable[..., str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, gpt2_folder: Path) -> Path:
    """A folder with a config, its suites, and a finished run in ``run``."""
    folder = tmp_path_factory.mktemp("finished")
    config = tiny.write_audit(folder, gpt2_folder)
    pipeline.run_audit(load_config(config).changed("run", tasks=["swap"]), folder / "run")
    config.write_text(config.read_text(encoding="utf-8").replace('["swap", "rebate", "thanks"]', '["swap"]'), "utf-8")
    return folder


@pytest.fixture
def here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which the test stands; its config lies apart so that no verb finds it unasked."""
    folder = Path(shutil.copytree(finished, tmp_path / "here"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


@pytest.fixture
def refused(here: Path) -> Refused:
    """Runs a command that must end in one line on stderr, and returns the line; nothing may have changed."""

    def run(*words: object, code: int = 2) -> str:
        before = snapshot(here.parent)
        done = CliRunner().invoke(cli.main, list(map(str, words)), prog_name="evenhand")
        assert done.exit_code == code, done.output
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("evenhand: ")
        assert done.stdout == ""
        assert snapshot(here.parent) == before, "something was changed"
        return done.stderr.removeprefix("evenhand: ").rstrip("\n")

    return run


def snapshot(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def edit(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nonsense", "model 'nonsense': unknown; name it as embedded:smollm2, hf:ORG/NAME"),
        ("openai:gpt", "model 'openai:gpt': unknown; name it as"),
        ("embedded:llama", "model embedded:llama: unknown; the embedded models are smollm2"),
        ("hf:no/such", "model 'hf:no/such': not found on the hub or in its cache"),
        ("{empty}", "the folder holds no usable causal language model"),
        ("hf:{empty}", "the folder holds no usable causal language model"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--fresh",)], ids=["new", "fresh"])
def test_an_unknown_model(name: str, complaint: str, options: tuple[str], here: Path, refused: Refused) -> None:
    (here.parent / "empty").mkdir()
    out = here / ("run" if options else "new")
    words = ("--config", here / "evenhand.toml", "--model", name.format(empty=here.parent / "empty"), "--out", out)
    assert complaint in refused("run", "--quiet", *words, *options)


def test_a_model_without_weights_of_its_own(here: Path, gpt2_folder: Path, refused: Refused) -> None:
    broken = Path(shutil.copytree(gpt2_folder, here.parent / "broken"))
    (broken / "model.safetensors").write_bytes(b"not weights")
    line = refused("run", "--quiet", "--config", here / "evenhand.toml", "--model", broken, "--out", here / "new")
    assert str(broken) in line


def test_a_model_without_a_tokenizer(here: Path, gpt2_folder: Path, refused: Refused) -> None:
    broken = Path(shutil.copytree(gpt2_folder, here.parent / "broken"))
    for path in broken.glob("*token*"):
        path.unlink()
    line = refused("run", "--quiet", "--config", here / "evenhand.toml", "--model", broken, "--out", here / "new")
    assert str(broken) in line


# ---------------------------------------------------------------- the config and the files it names


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[model]", "[model", "evenhand.toml: not valid TOML: "),
        ("threads", "treads", "evenhand.toml: model.treads: unknown key; did you mean 'threads'?"),
        ("sample = 6", 'sample = "six"', "evenhand.toml: run.sample: input should be a valid integer"),
        ('["swap"]', '["swop"]', "run.tasks: unknown task 'swop'; known are "),
        ('["suites"]', '["nowhere.toml"]', "nowhere.toml: there is no such file; check the path"),
        ('["suites"]', '["run"]', "run has no .toml file; put a suite in it or name another folder"),
        ('"personas.toml"', '"nobody.toml"', "nobody.toml: there is no such file; check the path"),
        ("[gate]", '[reference]\ngender = "robot"\n[gate]', "reference.gender: unknown group 'robot'; known are"),
        ("[gate]", '[reference]\nheight = "tall"\n[gate]', "reference.height: unknown axis; known are"),
        ("max_new_tokens = 4", 'locale = "xx"', "'xx'"),
    ],
)
def test_a_mistake_in_the_config(old: str, new: str, complaint: str, here: Path, refused: Refused) -> None:
    config = edit(here / "evenhand.toml", old, new)
    assert complaint in refused("run", "--quiet", "--config", config, "--out", here / "new")


@pytest.mark.parametrize("name", ["evenhand.toml", "suites/swap.toml", "suites/catalogue.toml", "personas.toml"])
@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = ["], ids=["not UTF-8", "not TOML"])
def test_a_file_that_cannot_be_read(name: str, content: bytes, here: Path, refused: Refused) -> None:
    path = here / name
    path.write_bytes(path.read_bytes() + b"\n# " + content + b"\n" + (content if content[0] < 128 else b""))
    line = refused("run", "--quiet", "--config", here / "evenhand.toml", "--out", here / "new")
    assert line.startswith(f"{path}: ")
    assert ("not valid TOML" if content[0] < 128 else "is not UTF-8; save the file as UTF-8") in line


def test_a_config_that_is_absent(here: Path, refused: Refused) -> None:
    for verb in ("run", "list"):
        assert "none.toml: there is no such file" in refused(verb, "--config", here / "none.toml")
    for verb in ("measure", "gate"):
        assert "none.toml: there is no such file" in refused(verb, here / "run", "--config", here / "none.toml")


def test_an_unknown_task_on_the_command_line(here: Path, refused: Refused) -> None:
    line = refused("run", "--quiet", "--config", here / "evenhand.toml", "--task", "swop", "--out", here / "new")
    assert line.startswith("run.tasks: unknown task 'swop'; known are ")


def test_an_empty_suite(here: Path, refused: Refused) -> None:
    suite = here / "suites" / "swap.toml"
    text = suite.read_text(encoding="utf-8")
    suite.write_text(text[: text.index("[[templates]]")], encoding="utf-8")
    line = refused("run", "--quiet", "--config", here / "evenhand.toml", "--out", here / "new")
    assert line == f"{suite}: templates: the suite has no templates; add a [[templates]]"


def test_a_persona_file_with_nobody_in_it(here: Path, refused: Refused) -> None:
    (here / "personas.toml").write_text('locale = "en"\n', encoding="utf-8")
    line = refused("run", "--quiet", "--config", here / "evenhand.toml", "--out", here / "new")
    assert line == f"{here / 'personas.toml'}: names: there is nobody in it; add [[names]] or [[cues]]"


ONE = """
locale = "en"
reference = { gender = "male", age = "middle" }

[[names]]
attributes = { gender = "female" }
names = ["Megan"]

[[names]]
attributes = { gender = "male" }
names = ["Todd", "Greg", "Brad"]

[[cues]]
axis = "age"
values = { middle = "45", older = "76" }
phrasings = [{ id = "01", text = "The customer is {value} years old." }]
"""


def test_a_group_with_one_name_has_levels_and_no_verdict(here: Path) -> None:
    (here / "personas.toml").write_text(ONE, encoding="utf-8")
    words = ["run", "--config", here / "evenhand.toml", "--out", here / "new", "--gate"]
    done = CliRunner().invoke(cli.main, list(map(str, words)))
    assert done.exit_code == 5, "nothing could be judged"
    warning = [line for line in done.stderr.splitlines() if "female" in line]
    assert len(warning) == 1
    assert "1 name" in warning[0]
    findings = tables.read("findings", here / "new" / "findings.parquet").to_pylist()
    target = [row for row in findings if row["arm"] == "target" and row["axis"] == "gender"]
    assert {row["group"] for row in target if row["kind"] == "level"} >= {"female", "male"}
    assert [row for row in target if row["kind"] == "contrast"] == []
    verdicts = tables.read("verdicts", here / "new" / "verdicts.parquet").to_pylist()
    about = [row for row in verdicts if row["rule"] == "swap-gender"]
    assert [row["outcome"] for row in about] == ["inconclusive"]
    assert about[0]["reason"].startswith("design: too few names")
    assert CliRunner().invoke(cli.main, ["gate", str(here / "new")]).exit_code == 5


# ---------------------------------------------------------------- the run folder


@pytest.mark.parametrize("place", ["file/run", "file", "/proc/run", "/sys/run"])
def test_an_out_folder_that_cannot_be_written(place: str, here: Path, refused: Refused) -> None:
    if place.startswith("/") and not Path(place).parent.is_dir():
        pytest.skip("this system has no such folder")
    (here.parent / "elsewhere" / "file").write_text("mine", encoding="utf-8")
    line = refused("run", "--quiet", "--config", here / "evenhand.toml", "--out", place)
    assert place in line
    assert "another" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_out_folder_that_is_read_only(here: Path, refused: Refused) -> None:
    (here / "locked").mkdir(mode=0o500)
    line = refused("run", "--quiet", "--config", here / "evenhand.toml", "--out", here / "locked")
    assert str(here / "locked") in line


def test_a_run_folder_with_other_settings(here: Path, refused: Refused) -> None:
    line = refused("run", "--quiet", "--config", here / "evenhand.toml", "--seed", 9, "--out", here / "run")
    assert line == f"{here / 'run'}: holds a run with other settings; name another folder with --out, or add --fresh"


@pytest.mark.parametrize("verb", ["score", "measure", "gate", "report"])
def test_a_folder_that_is_no_run(verb: str, here: Path, refused: Refused) -> None:
    for folder in (here / "suites", here / "nowhere"):
        assert (
            refused(verb, folder) == f"{folder}: not a run folder (it has no manifest.json); 'evenhand run' makes one"
        )
    assert "there is no run yet; 'evenhand run' makes one" in refused(verb)


@pytest.mark.parametrize("verb", ["score", "measure", "gate", "report", "run"])
@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"], ids=["cut off", "a list", "not UTF-8"])
def test_a_manifest_that_is_damaged(verb: str, content: bytes, here: Path, refused: Refused) -> None:
    (here / "run" / "manifest.json").write_bytes(content)
    words = ("--config", here / "evenhand.toml", "--out") if verb == "run" else ()
    assert refused(verb, *words, here / "run").startswith(f"{here / 'run' / 'manifest.json'}: not a ")


def test_a_manifest_with_a_setting_that_this_version_does_not_know(here: Path, refused: Refused) -> None:
    path = here / "run" / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["config"]["run"]["top_q"] = 1
    path.write_text(json.dumps(data), encoding="utf-8")
    line = refused("gate", here / "run")
    assert line.startswith(f"{here / 'run' / 'manifest.json'}: run.top_q: unknown key")


DAMAGE = {
    "words": lambda data: b"no table",
    "empty": lambda data: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "zeros": lambda data: data[:200] + bytes(200) + data[400:],
}


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        ("score", "completions"),
        ("score", "probes"),
        ("measure", "scores"),
        ("measure", "personas"),
        ("gate", "findings"),
        ("report", "scores"),
        ("report", "findings"),
    ],
)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_table_that_is_damaged(verb: str, name: str, damage: str, here: Path, refused: Refused) -> None:
    path = here / "run" / f"{name}.parquet"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert str(path) in refused(verb, here / "run")


@pytest.mark.parametrize(("verb", "name"), [("score", "completions"), ("measure", "scores"), ("gate", "findings")])
def test_a_table_that_is_gone(verb: str, name: str, here: Path, refused: Refused) -> None:
    (here / "run" / f"{name}.parquet").unlink()
    assert refused(verb, here / "run") == (
        f"{here / 'run'}: has no {name} yet; run the stages before, or 'evenhand run'"
    )


def test_a_damaged_answer_table_is_made_again_by_run(gpt2_folder: Path, tmp_path: Path) -> None:
    words = [
        "run",
        "--quiet",
        "--task",
        "swap",
        "--config",
        tiny.write_audit(tmp_path, gpt2_folder),
        "--out",
        tmp_path / "run",
    ]
    path, found = tmp_path / "run" / "completions.parquet", []
    for _ in range(2):
        assert CliRunner().invoke(cli.main, list(map(str, words))).exit_code == 0
        found.append(path.read_bytes())
        path.write_bytes(found[0][:99])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("run", "--model", "nonsense"), "model 'nonsense': unknown"),
        (("run", "--config", "none.toml"), "none.toml: there is no such file"),
        (("gate", "nowhere"), "nowhere: not a run folder"),
    ],
)
def test_a_process_of_its_own_says_the_same(words: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evenhand", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"evenhand: {complaint}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
