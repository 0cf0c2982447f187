"""What a backend is: it says who it is, plans batches from all probes, and answers one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.errors import ConfigError

if TYPE_CHECKING:
    from audit.config import Config


@dataclass(frozen=True, slots=True)
class Batch:
    """Probes that are answered together.

    ``rows`` are row numbers in the probes table and ``draws`` the draw of each;
    ``cost`` is in model tokens and comparable within one ``kind``.
    """

    kind: str
    rows: npt.NDArray[np.int64]
    draws: npt.NDArray[np.int32]
    cost: float


class Backend(Protocol):
    """A source of completions. Plug-ins register a function (config) -> Backend."""

    def identity(self) -> str:
        """Tell, without loading anything heavy, which model this is; another answer makes a run stale."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Facts for the manifest: name, revision, weights hash, precisions, device, engine."""
        ...

    def plan(self, probes: pa.Table) -> Sequence[Batch]:
        """Split all probes into batches; the same probes always give the same batches."""
        ...

    def complete(self, probes: pa.Table, batch: Batch) -> pa.Table:
        """Answer one batch: a table of completions, one row for each of ``batch.rows``."""
        ...


def open_backend(config: Config) -> Backend:
    """Open the backend that the model's name asks for; the part before the colon is the plug-in's name.

    Raises
    ------
    ConfigError
        If no backend goes by that name.
    """
    from audit import plugins

    kind, colon, _ = config.model.name.partition(":")
    if not colon or kind not in plugins.names("backends"):
        kind = "hf"  # the path of a folder; anything else is refused there with the forms that are known
    backend: Backend = plugins.load("backends", kind)(config)
    return backend


def too_long(tokens: int, room: int, limit: int | None) -> str | None:
    """Say that a prompt and ``room`` tokens of an answer do not fit, or return None."""
    if limit is None or tokens + room <= limit:
        return None
    return f"the prompt has {tokens} tokens and the answer may take {room}, but the model takes {limit}"


def unknown_form(form: str) -> ConfigError:
    """The error for a probe that this backend cannot answer."""
    return ConfigError(f"output form {form!r} is not one that local models answer; known are decision, number, text")
