"""What must hold for the repository as a whole."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

TOP_LEVEL = (
    ".ci/run",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "audit/__init__.py",
    "audit/py.typed",
    "constraints.txt",
    "docs/decisions/README.md",
    "evenhand.py",
    "evenhand.toml",
    "pyproject.toml",
    "reports/__init__.py",
    "reports/py.typed",
)
HEAVY = {
    "torch",
    "transformers",
    "pandas",
    "matplotlib",
    "sklearn",
    "fairlearn",
    "opacus",
    "scipy",
    "accelerate",
    "ray",
}
# Each is written so that this file does not match itself.
MACHINE_PATHS = re.compile(r"(?<![\w.:])/(?:work|root|home|Users)/\w|/tmp/[w]/|python[h]osted")


@pytest.mark.parametrize("path", TOP_LEVEL)
def test_top_level_has(repository: Path, path: str) -> None:
    assert (repository / path).is_file()


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    done = python("-X", "importtime", "-m", "evenhand", "--help", cwd=tmp_path)
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "click" in imported, "the list of imports was not understood"
    assert imported & HEAVY == set()


def test_installed_version_is_that_of_pyproject(repository: Path) -> None:
    assert importlib.metadata.version("evenhand") == project(repository)["version"]


def test_command_tells_the_version(repository: Path) -> None:
    done = python("-m", "evenhand", "--version", cwd=repository)
    assert re.search(rf"\b{re.escape(project(repository)['version'])}\b", done.stdout)


def test_changelog_begins_with_what_is_not_released_yet(repository: Path) -> None:
    headings = re.findall(r"^## (.+)$", (repository / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_dependencies_have_lower_bounds_only(repository: Path) -> None:
    settings = project(repository)
    needed = [
        *settings["dependencies"],
        *(name for extra in settings["optional-dependencies"].values() for name in extra),
    ]
    needed = [line for line in needed if not line.startswith("evenhand[")]
    assert [line for line in needed if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?>=[\d.]+", line)] == []


def test_every_command_and_option_has_help() -> None:
    from audit.cli import main

    silent = []
    for path, command in commands(main, "evenhand"):
        if not (command.help or "").strip():
            silent.append(path)
        options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
        silent += [f"{path} {option.opts[0]}" for option in options if not (option.help or "").strip()]
    assert silent == []


def test_no_file_names_a_path_of_one_machine(repository: Path) -> None:
    found = []
    for path in tracked(repository):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(repository)}:{number}"
            for number, line in enumerate(lines, 1)
            if MACHINE_PATHS.search(line)
        ]
    assert found == []


def test_decisions_are_all_in_their_index(repository: Path) -> None:
    folder = repository / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in sorted(folder.glob("0*.md")) if f"({path.name})" not in index] == []


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def project(repository: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")


def tracked(repository: Path) -> list[Path]:
    """The files that git knows, and the new ones that it would not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    return [repository / name for name in done.stdout.split("\0") if name and (repository / name).is_file()]
