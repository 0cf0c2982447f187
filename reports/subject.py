"""What was tested and with what, read from a manifest; what it does not have is "not recorded"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.folder import Row
from reports.values import Subject


def subject_of(manifest: Row, rows: Mapping[str, int]) -> Subject:
    """Read the subject of a run; ``rows`` are the tables that are there, with how many rows each has."""
    known = mapping(manifest.get("tables"))
    seconds = [(name, mapping(stage).get("seconds")) for name, stage in mapping(manifest.get("stages")).items()]
    return Subject(
        evenhand=text_of(manifest.get("evenhand")),
        run_id=text_of(manifest.get("run_id")),
        created=text_of(manifest.get("created")),
        command=text_of(manifest.get("command")),
        config_path=text_of(manifest.get("config_path")),
        seed=text_of(manifest.get("seed")),
        model=flat_words(manifest.get("model")),
        versions=flat_words(manifest.get("versions")),
        machine=flat_words(manifest.get("machine")),
        hashes=tuple((name, text_of(mapping(known.get(name)).get("sha256")), n) for name, n in rows.items()),
        seconds=tuple((name, float(value)) for name, value in seconds if isinstance(value, int | float)),
    )


def mapping(value: Any) -> Mapping[str, Any]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def text_of(value: Any) -> str | None:
    """A plain value as text; None where it is absent, empty or nested."""
    if value is None or (isinstance(value, Mapping | Sequence) and not isinstance(value, str)):
        return None
    return str(value) or None


def flat_words(value: Any) -> dict[str, str]:
    """Flat words of a JSON object; nested values are left out."""
    return {key: text for key, item in mapping(value).items() if (text := text_of(item)) is not None}
