from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit import tables
from audit.config import Config
from audit.errors import ConfigError
from audit.privacy.folder import claim
from audit.privacy.material import Material
from audit.privacy.records import Record
from audit.privacy.run import PrivacyRun, look_up
from audit.progress import Silent
from audit.run_folder import Run


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    claim(tmp_path / "runs" / "one")
    assert mode(tmp_path / "runs" / "one") == 0o700
    assert mode(tmp_path / "runs") != 0o700


@pytest.mark.parametrize("files", [{}, {"manifest.json": json.dumps({"run_id": "privacy-x"}), "other.txt": "mine"}])
def test_an_empty_folder_or_one_of_a_run_keeps_its_mode(tmp_path: Path, files: dict[str, str]) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(0o755)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    claim(folder)
    assert mode(folder) == 0o755


@pytest.mark.parametrize("files", [{"thesis.txt": "mine"}, {"manifest.json": '{"name": "a web app"}'}])
def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path, files: dict[str, str]) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    folder.chmod(0o755)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="holds other files and no run; name a new folder with --out"):
        claim(folder)
    assert mode(folder) == 0o755
    assert {path.name for path in folder.iterdir()} == set(files)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="--out"):
        claim(tmp_path / "file")
    with pytest.raises(ConfigError, match="--out"):
        claim(tmp_path / "file" / "below")


def test_files_written_for_the_owner_alone_are_so_from_the_first_moment(tmp_path: Path) -> None:
    with tables.for_owner_alone(), tables.replacing(tmp_path / "secret") as temporary:
        assert mode(temporary) == 0o600
        temporary.write_text("x", encoding="utf-8")
    assert mode(tmp_path / "secret") == 0o600
    with tables.replacing(tmp_path / "plain") as temporary:
        temporary.write_text("x", encoding="utf-8")
    assert mode(tmp_path / "plain") == 0o644


def test_tables_of_a_run_in_an_open_folder_are_their_owners_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    material = Material((Record("1", "a text"),), (), None, {"members": 1}, (), {})
    look_up(PrivacyRun(Run(tmp_path, Config(), Silent()), material))
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    assert mode(tmp_path) == 0o755
