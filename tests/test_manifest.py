from __future__ import annotations

from pathlib import Path

import pytest

from audit import manifest as module
from audit import tables
from audit.errors import ConfigError
from audit.manifest import Manifest, code_hash, file_hash, machine, versions

KEY = {"settings": {"seed": 1}, "parents": {"probes": "abc"}}


@pytest.fixture
def recorded(tmp_path: Path) -> Manifest:
    """A manifest that vouches for one table."""
    path = tables.write("scores", tables.from_rows("scores", []), tmp_path / "scores.parquet")
    manifest = Manifest(tmp_path)
    manifest.record("score", KEY, 1.5, {"scores": (path, 0)})
    manifest.save()
    return Manifest.load(tmp_path)


def test_an_absent_manifest_is_empty(tmp_path: Path) -> None:
    assert Manifest.load(tmp_path / "none").data == {}


@pytest.mark.parametrize("text", ["{", "[]", "3", "\xff"])
def test_what_is_no_manifest_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"manifest.json: not a .*manifest.*; name another run folder") as caught:
        Manifest.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_was_recorded_is_fresh(recorded: Manifest) -> None:
    assert recorded.fresh("score", KEY, ["scores"])
    assert recorded.data["tables"]["scores"]["parents"] == {"probes": "abc"}


@pytest.mark.parametrize("key", [{}, KEY | {"settings": {"seed": 2}}, KEY | {"parents": {"probes": "abd"}}])
def test_other_settings_or_parents_are_stale(key: dict[str, object], recorded: Manifest) -> None:
    assert not recorded.fresh("score", key, ["scores"])


def test_a_stage_that_never_ran_is_stale(recorded: Manifest) -> None:
    assert not recorded.fresh("measure", KEY, ["scores"])


def test_an_output_that_was_never_recorded_is_stale(recorded: Manifest) -> None:
    assert not recorded.fresh("score", KEY, ["scores", "findings"])


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_an_output_that_is_changed_or_gone_is_stale(change: str, recorded: Manifest) -> None:
    path = recorded.folder / "scores.parquet"
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" ")
    assert not recorded.fresh("score", KEY, ["scores"])


def test_file_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_hash(tmp_path / "b") is None


def test_code_hash_sees_every_file_of_a_room_and_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "__file__", str(tmp_path / "manifest.py"))
    (tmp_path / "room" / "__pycache__").mkdir(parents=True)
    (tmp_path / "room" / "a.py").write_text("1", encoding="utf-8")

    def found() -> str:
        code_hash.cache_clear()
        return code_hash("room")

    try:
        first = found()
        (tmp_path / "room" / "__pycache__" / "a.pyc").write_text("x", encoding="utf-8")
        assert found() == first
        (tmp_path / "room" / "b.toml").write_text("", encoding="utf-8")
        second = found()
        (tmp_path / "room" / "b.toml").rename(tmp_path / "room" / "c.toml")
        assert len({first, second, found()}) == 3
    finally:
        code_hash.cache_clear()


def test_machine_and_versions_are_words_without_a_name_or_address() -> None:
    import platform

    assert set(machine()) == {"system", "processor", "cores", "python"}
    assert platform.node() not in map(str, machine().values())
    assert {"python", "torch", "transformers", "pyarrow"} <= set(versions())
