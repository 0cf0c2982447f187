"""Writing several files as one: all of them appear, or none."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from audit.errors import ConfigError, first_line

# What no name of a file that is read or shown again should hold.
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@contextmanager
def together(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Give a temporary path of the same name for each of ``paths``, and move all of them there on success.

    Raises
    ------
    ConfigError
        If a folder cannot be written to, or a file cannot be moved to its place; those that were are then
        taken away again.
    """
    folders: list[Path] = []
    try:
        for path in paths:
            folders.append(_folder_beside(path))
        temporary = tuple(folder / path.name for folder, path in zip(folders, paths, strict=True))
        yield temporary
        _move(temporary, paths)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def check_places(inputs: Path, outputs: Sequence[Path], *, overwrite: bool) -> None:
    """See that ``outputs`` can be written without harm to ``inputs``, to each other, or to what is there.

    Raises
    ------
    ConfigError
        If two of all these are the same file, or one to be written is a folder, or is there and not to be
        overwritten.
    """
    places = [path.resolve() for path in (inputs, *outputs)]
    for number, path in enumerate(outputs, 1):
        if places[number] in places[:number] or (inputs.exists() and path.exists() and path.samefile(inputs)):
            raise ConfigError(f"{path}: would be written over {inputs.name} or another output; name another file")
        if CONTROL.search(path.name):
            raise ConfigError(f"{str(path)!r}: has a control character in its name; name another file")
        if path.is_dir():
            raise ConfigError(f"{path}: is a folder; name a file")
        if path.exists() and not overwrite:
            raise ConfigError(f"{path}: is there already; name another file, or say --overwrite")


def _folder_beside(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise ConfigError(f"{path.parent}: cannot write here ({error.strerror}); name another folder") from error


def _move(temporary: Sequence[Path], paths: Sequence[Path]) -> None:
    moved: list[Path] = []
    for source, path in zip(temporary, paths, strict=True):
        try:
            os.replace(source, path)
        except OSError as error:
            for done in moved:
                done.unlink(missing_ok=True)
            why = error.strerror or first_line(error)
            raise ConfigError(f"{path}: cannot be written ({why}); name another file") from error
        moved.append(path)
