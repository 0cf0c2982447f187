from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import plugins
from audit.errors import BackendError, ConfigError

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a distribution with one module and entry points on the path."""

    def put(distribution: str, module: str, code: str, **points: str) -> None:
        folder = tmp_path / distribution
        folder.mkdir()
        (folder / f"{module}.py").write_text(code, encoding="utf-8")
        about = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
        about.mkdir()
        about.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        lines = [f"[evenhand.{kind}]\n{entry}\n" for kind, entry in points.items()]
        about.joinpath("entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(folder)

    return put


def test_a_plugin_is_loaded_by_its_name(install: Install) -> None:
    install("good-plugin", "good_module", "def score(batch):\n    return 7\n", scorers="good = good_module:score")
    assert plugins.load("scorers", "good")(None) == 7
    assert plugins.origin("scorers", "good") == "good-plugin 1.2"
    assert "good" in plugins.names("scorers") and "good" not in plugins.names("backends")


def test_nothing_is_imported_before_it_is_named(install: Install) -> None:
    install("loud-plugin", "loud_module", "raise RuntimeError('imported')\n", scorers="loud = loud_module:score")
    assert "loud" in plugins.names("scorers")
    assert plugins.origin("scorers", "loud") == "loud-plugin 1.2"
    assert "loud_module" not in sys.modules


def test_an_unknown_name_lists_the_known_ones(install: Install) -> None:
    install("good-plugin", "good_module2", "", scorers="good = good_module2:score")
    with pytest.raises(ConfigError, match=r"scorers: unknown name 'goood'; known are .*\bgood\b"):
        plugins.load("scorers", "goood")


def test_a_name_of_an_empty_kind_says_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda group: ())
    with pytest.raises(ConfigError, match=r"known are none"):
        plugins.load("formats", "pdf")


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"unknown kind of plug-in 'judges'; known are backends, scorers"):
        plugins.names("judges")


def test_a_duplicate_name_names_both_distributions(install: Install) -> None:
    install("one-plugin", "one_module", "def score(): ...\n", scorers="same = one_module:score")
    install("two-plugin", "two_module", "def score(): ...\n", scorers="same = two_module:score")
    with pytest.raises(ConfigError, match=r"'same' is registered twice, by one-plugin 1\.2 and two-plugin 1\.2"):
        plugins.load("scorers", "same")


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        (1, "import a_module_that_is_nowhere\n", r"ModuleNotFoundError: No module named 'a_module_that_is_nowhere'"),
        (2, "raise ValueError('two\\nlines')\n", r"ValueError: two\)"),
        (3, "x = 1\n", r"AttributeError: .*score"),
        (4, "def score(:\n", r"SyntaxError: "),
        (5, "score = 3\n", r"is no function but int"),
        (6, "raise ValueError\n", r"ValueError"),
    ],
)
def test_a_plugin_that_cannot_be_used_names_its_distribution_in_one_line(
    install: Install, number: int, code: str, reason: str
) -> None:
    point = f"bad = bad_module_{number}:score"
    install("bad-plugin", f"bad_module_{number}", code, scorers=point, backends=point)
    for kind, error in (("scorers", ConfigError), ("backends", BackendError)):
        with pytest.raises(error, match=rf"{kind}: 'bad' of bad-plugin 1\.2 cannot be used \(.*{reason}") as caught:
            plugins.load(kind, "bad")
        assert "\n" not in str(caught.value)


def test_looking_up_names_loads_no_heavy_library() -> None:
    code = (
        "import sys, audit.plugins, audit.scorers; audit.plugins.names('scorers'); "
        "print([m for m in ('torch', 'pandas', 'sklearn', 'nltk', 'textstat', 'vaderSentiment') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
