"""The keys of a planted model's name, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from audit.errors import ConfigError

Reader = Callable[[str], Any]


class _NeedsError(ValueError):
    """What a value must be, in words."""


def _real(low: float = float("-inf"), high: float = float("inf")) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError as error:
            raise _NeedsError("a number") from error
        if not low <= value <= high or value in (float("-inf"), float("inf")):
            raise _NeedsError(
                f"a number from {low:g} to {high:g}" if high < float("inf") else f"a number from {low:g} on"
            )
        return value

    return read


def _word(text: str) -> str:
    if not text:
        raise _NeedsError("a word")
    return text


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise _NeedsError("a whole number from 1 on")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise _NeedsError("0 or 1")
    return text == "1"


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise _NeedsError(f"one of {', '.join(words)}")
        return text

    return read


_SD: Final = _real(0)
_SHARE: Final = _real(0, 1)

# Who is affected.
WHO: Final[Mapping[str, Reader]] = {
    "axis": _word,
    "group": _word,
    "channel": _one_of("name", "explicit"),
}
# What all models that are planted from nothing share.
HOW: Final[Mapping[str, Reader]] = {
    "control": _real(),
    "mass": _real(0.001, 1),
    "recognition": _SHARE,
    "unit": _real(1e-9),
    "missing": _SHARE,
}
# Of the world of decisions and numbers.
WORLD: Final[Mapping[str, Reader]] = {
    "effect": _real(),
    "base": _real(),
    "shape": _one_of("constant", "sparse", "sign_flip", "one_intersection"),
    "tau": _SD,
    "tau_tc": _SD,
    "nu": _SD,
    "nu_b": _SD,
    "sigma": _SD,
    "draws": _whole,
    "template_sd": _SD,
    "block_sd": _SD,
    "noise": _one_of("normal", "t3", "ties"),
    "failures": _SHARE,
    "failures_gap": _real(-1, 1),
    "failures_low": _flag,
    "covert": _flag,
    "answers_gap": _real(),
}
# Of the world of texts: key -> (its field, how it is read).
TEXTS: Final[Mapping[str, tuple[str, Reader]]] = {
    "warm": ("base", _SHARE),
    "warm_gap": ("effect", _real(-1, 1)),
    "refusal": ("refusal", _SHARE),
    "refusal_gap": ("refusal_gap", _real(-1, 1)),
    "traps": ("traps", _flag),
}
SHARED: Final = ("tau", "tau_tc", "nu", "nu_b", "template_sd", "block_sd", "covert")
PLANTED: Final = (*WHO, *HOW, *WORLD, *TEXTS)
WRAPPED: Final[Mapping[str, Reader]] = {**WHO, "delta": _real(), "shift": _real()}


def read_value(reader: Reader, key: str, text: str, where: str) -> Any:
    """Read the value of ``key``; ``where`` names the model in errors.

    >>> read_value(WORLD["draws"], "draws", "5", "model 'planted:draws=5'")
    5

    Raises
    ------
    ConfigError
        If it is not what the key takes.
    """
    try:
        return reader(text)
    except _NeedsError as error:
        raise ConfigError(f"{where}: {key}: {text!r} is not {error}") from error
