"""The ledger of a plant: which canaries there are, and how each coin fell.

The ledger is secret until the audit: whoever trains, or picks the model that is audited, must not see it. The
coins come from the operating system unless a seed is given, and a seed known to whoever trains voids ε.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StrictInt, field_validator, model_validator

from audit.config import Strict, parse
from audit.errors import ConfigError, first_line
from audit.manifest import file_hash
from audit.privacy.planting.canaries import Canary
from audit.privacy.planting.files import CONTROL
from audit.privacy.records import Layout
from audit.tables import replacing

VERSION: Final = 1
FEWEST: Final = 10  # canaries: with fewer, even ten right guesses of ten say nothing

Side = Literal["members", "held_out"]
_Count = Annotated[StrictInt, Field(ge=0)]
_Word = Annotated[str, Field(min_length=1)]


# Texts and secrets stand in a ledger: an error names the key and shows nothing of what it holds.
_SECRET: Final = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Guesses(Strict):
    """How many canaries will be guessed as planted (``k_in``) and as not (``k_out``), fixed before the coins fall."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    k_in: _Count = Field(alias="in")
    k_out: _Count = Field(alias="out")


class PlantedFile(Strict):
    """A file that was written: its path from the ledger's folder, its hash, how many records of the user's it holds."""

    model_config = _SECRET

    file: _Word
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    records: _Count

    @field_validator("file")
    @classmethod
    def _lies_beside_the_ledger(cls, file: str) -> str:
        # On Windows "/", "C:" and "\\\\host" are anchors, and "/" is the only one elsewhere.
        if PureWindowsPath(file).anchor or CONTROL.search(file):
            raise ValueError("must be a path from the ledger's own folder, without control characters")
        return file


class Chat(Strict):
    """How a canary stands in a file of chats: the roles of its two turns, and what the second one says."""

    user: _Word
    assistant: _Word
    reply: _Word


class Ledger(Strict):
    """What was planted where. Held as JSON, see :func:`write_ledger` and :func:`read_ledger`.

    ``space`` is how many secrets the form has (the |R| of exposure), ``delta`` that at which ε is to be read,
    ``group_guesses`` are the guesses for each axis and group in proportion. ``chat`` is null where records are
    no chats, ``seed`` where the coins are the operating system's.
    """

    model_config = _SECRET

    version: Literal[1] = VERSION
    evenhand: _Word
    created: _Word
    locale: _Word
    form: _Word
    space: Annotated[StrictInt, Field(ge=2)]
    seed: StrictInt | None = None
    split: Literal["customer", "record"]
    repeats: Annotated[StrictInt, Field(ge=1)]
    guesses: Guesses
    group_guesses: dict[str, dict[str, Guesses]]
    delta: float | None = Field(None, ge=0, lt=1)
    layout: Layout
    chat: Chat | None = None
    training: PlantedFile
    held_out: PlantedFile
    canaries: tuple[Canary, ...] = Field(min_length=FEWEST)
    references: tuple[Canary, ...] = Field(min_length=1)
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was written, in two lines for a person."""
        planted = self.repeats * sum(bool(canary.inserted) for canary in self.canaries)
        return (
            f"{self.training.file}: {self.training.records:,} records to train on, and {planted:,} rows of canaries\n"
            f"{self.held_out.file}: {self.held_out.records:,} records to keep from the training"
        )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Ledger:
        everyone = {f"canaries.{number}": canary for number, canary in enumerate(self.canaries)}
        everyone |= {f"references.{number}": canary for number, canary in enumerate(self.references)}
        for key in ("canary_id", "text", "secret"):
            first: dict[str, str] = {}
            for place, canary in everyone.items():
                if (before := first.setdefault(getattr(canary, key), place)) != place:
                    raise ValueError(f"{place}.{key}: is that of {before} too; plant again")
        for place, canary in everyone.items():
            if canary.secret not in canary.text or not canary.secret:
                raise ValueError(f"{place}: its secret does not stand in its text; plant again")
        if any(canary.inserted is None for canary in self.canaries):
            raise ValueError("canaries: one has no coin (inserted is true or false); plant again")
        if any(canary.inserted is not None for canary in self.references):
            raise ValueError("references: one has a coin (inserted is null there); plant again")
        if not 1 <= self.guesses.k_in + self.guesses.k_out <= len(self.canaries):
            raise ValueError(f"guesses: are none, or more than the {len(self.canaries)} canaries; plant again")
        if self.group_guesses != group_guesses(self.guesses, self.canaries):
            raise ValueError("group_guesses: are not the guesses in proportion to the groups; plant again")
        return self


def group_guesses(guesses: Guesses, canaries: Sequence[Canary]) -> dict[str, dict[str, Guesses]]:
    """For each axis and group, its part of ``guesses`` by how many of the canaries are of it, rounded down.

    >>> pair = [Canary(str(i), f"{i}", f"{i}", {"gender": ("female", "male")[i % 2]}) for i in range(10)]
    >>> group_guesses(Guesses(k_in=4, k_out=3), pair)["gender"]["male"]
    Guesses(k_in=2, k_out=1)
    """
    sizes: dict[str, Counter[str]] = {}
    for canary in canaries:
        for axis, group in canary.groups.items():
            sizes.setdefault(axis, Counter())[group] += 1
    m = len(canaries)
    return {
        axis: {
            group: Guesses(k_in=guesses.k_in * size // m, k_out=guesses.k_out * size // m)
            for group, size in sorted(groups.items())
        }
        for axis, groups in sorted(sizes.items())
    }


def write_ledger(ledger: Ledger, path: Path) -> Path:
    """Write ``ledger`` to ``path`` in one step, readable by its owner alone."""
    with replacing(path) as temporary:
        os.chmod(temporary, 0o600)  # before there is anything in it
        temporary.write_text(ledger.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
    return path


def read_ledger(path: Path) -> Ledger:
    """Read a ledger and check it.

    Raises
    ------
    ConfigError
        If there is none, it is of another version, a key is missing, unknown or of a wrong type, or its parts
        do not agree with each other.
    """
    data = _read_json(Path(path))
    version = data.get("version")
    if version != VERSION or isinstance(version, bool):
        mend = "read it with the evenhand that wrote it, or plant again"
        is_it = repr(version) if isinstance(version, int | None) else "no whole number"
        raise ConfigError(f"{path}: version: is {is_it:.40}, and this evenhand reads {VERSION}; {mend}")
    return parse(Ledger, data, str(path))


def check_files(ledger: Ledger, folder: Path, sides: Sequence[Side] = ("members", "held_out")) -> None:
    """See whether the files of a plant are as they were written; ``folder`` is the ledger's.

    Raises
    ------
    ConfigError
        If one is gone, differs, or is no regular file: a device or a pipe might never end.
    """
    files = {"members": ledger.training, "held_out": ledger.held_out}
    for side in sides:
        path = Path(folder) / files[side].file
        if os.path.lexists(path) and not os.path.isfile(path):
            raise ConfigError(f"{path}: is no regular file; put the file back as it was planted")
        found = file_hash(path)
        if found is None:
            raise ConfigError(f"{path}: there is no such file; put it back where it was planted, beside the ledger")
        if found != files[side].sha256:
            raise ConfigError(f"{path}: is not as it was planted (another SHA-256); put it back, or plant again")


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such ledger; check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; name a file of 'evenhand privacy plant'"
        ) from error
    except (ValueError, RecursionError) as error:
        why = first_line(error)
        raise ConfigError(f"{path}: not JSON ({why}); name a file of 'evenhand privacy plant'") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: not a ledger; name a file of 'evenhand privacy plant'")
    return data
