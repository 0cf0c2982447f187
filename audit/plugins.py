"""Plug-ins: what an installed distribution offers under an entry point of ours.

Five kinds: backends, scorers, metrics, suites and formats, each a plain callable
under the group ``evenhand.<kind>``. The built-in ones are registered the same way.
Nothing is imported until it is named.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from audit.errors import BackendError, ConfigError

KINDS: Final = ("backends", "scorers", "metrics", "suites", "formats")


def names(kind: str) -> tuple[str, ...]:
    """What is registered of a kind, sorted; nothing is imported."""
    return tuple(sorted({point.name for point in _registered(kind)}))


def load(kind: str, name: str) -> Callable[..., Any]:
    """Import the plug-in ``name`` of a kind.

    Raises
    ------
    ConfigError
        If the name is not known, is registered twice, or what it names cannot be used.
    BackendError
        In place of the last, if the kind is ``backends``.
    """
    point = _find(kind, name)
    # A plug-in is foreign code: whatever it raises is told as its own mistake.
    try:
        found = point.load()
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise _broken(kind, point, f"{type(error).__name__}: {reason}") from error
    if not callable(found):
        raise _broken(kind, point, f"{point.value} is no function but {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def origin(kind: str, name: str) -> str:
    """The distribution that a plug-in comes from, with its version, for the manifest."""
    return _distribution(_find(kind, name))


def _find(kind: str, name: str) -> EntryPoint:
    found = [point for point in _registered(kind) if point.name == name]
    if not found:
        known = ", ".join(names(kind)) or "none; install the package again"
        raise ConfigError(f"{kind}: unknown name {name!r}; known are {known}")
    if len(found) > 1:
        owners = " and ".join(sorted(_distribution(point) for point in found))
        raise ConfigError(f"{kind}: {name!r} is registered twice, by {owners}; uninstall one of them")
    return found[0]


def _registered(kind: str) -> tuple[EntryPoint, ...]:
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of plug-in {kind!r}; known are {', '.join(KINDS)}")
    return tuple(entry_points(group=f"evenhand.{kind}"))


def _broken(kind: str, point: EntryPoint, reason: str) -> BackendError | ConfigError:
    message = (
        f"{kind}: {point.name!r} of {_distribution(point)} cannot be used ({reason}); mend or uninstall that package"
    )
    return BackendError(message) if kind == "backends" else ConfigError(message)


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
