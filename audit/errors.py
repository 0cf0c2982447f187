"""The errors a person may see, each with the exit code it leads to.

Every message is one line that names what was wrong, where, and the mend. The
command line prints it and exits; a Python caller catches :class:`EvenhandError`.
"""

from __future__ import annotations

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_USAGE = 2
EXIT_BACKEND = 3
EXIT_INCONCLUSIVE = 4
EXIT_NOTHING = 5


class EvenhandError(Exception):
    """Base of every error that evenhand raises on purpose."""

    exit_code = EXIT_BACKEND


class ConfigError(EvenhandError):
    """A config, suite, persona file, model name or table that a person must mend."""

    exit_code = EXIT_USAGE


class BackendError(EvenhandError):
    """A model that could not be loaded or stopped answering; finished work is kept."""

    exit_code = EXIT_BACKEND


class NothingEvaluatedError(EvenhandError):
    """There was nothing to ask or nothing to judge."""

    exit_code = EXIT_NOTHING


def first_line(error: BaseException) -> str:
    r"""Return the first line of an error's words without its full stop, or its type where it has none.

    >>> first_line(ValueError("no such thing.\nmore")), first_line(KeyError())
    ('no such thing', 'KeyError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
