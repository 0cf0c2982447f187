"""What the verbs share: errors to exit codes, options, the command as it was given, the reports of a run."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from audit.errors import EXIT_BACKEND, EXIT_PASS, EXIT_USAGE, EvenhandError

if TYPE_CHECKING:
    from audit.config import Config

EXIT_CODES = """\b
Exit codes:
  0  pass                       3  the model or evenhand failed
  1  a gate failed              4  inconclusive, under --strict
  2  usage or configuration     5  nothing was evaluated, or all void
"""
config_option = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="Config file [evenhand.toml]"
)
strict_option = click.option("--strict", is_flag=True, help="Exit 4 where an error-level rule is inconclusive")
layout_option = click.option(
    "--layout", help="auto, amazon-2018, amazon-2023, yelp, tickets, chats, generated or columns"
)
on_bad_option = click.option(
    "--on-bad", type=click.Choice(["skip", "fail"]), help="What to do with a line that is no record"
)
locale_option = click.option("--locale", type=click.Choice(["en", "zh"]), help="Language of the records [en]")
run_argument = click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[RUN]")


class Group(click.Group):
    """A group whose usage errors are one line and exit 2."""

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run, turning what a person must know into one line on stderr."""
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            code = EXIT_USAGE
        except click.ClickException as error:
            say(error.format_message())
            code = EXIT_USAGE
        except (click.Abort, KeyboardInterrupt):
            say("stopped; what was finished is kept, the same command goes on from there")
            code = 130
        except Exception as error:
            traceback.print_exc()
            say(f"an error of evenhand's own ({type(error).__name__}); finished work is kept; please report this")
            code = EXIT_BACKEND
        raise SystemExit(code if isinstance(code, int) else EXIT_PASS)


def say(message: str) -> None:
    """Print one line of prose, on stderr."""
    click.echo(f"evenhand: {message}", err=True)


def guarded(verb: Callable[..., int]) -> Callable[..., int]:
    """Turn an error of ours into one line and its exit code."""

    @wraps(verb)
    def run(*args: Any, **options: Any) -> int:
        try:
            return verb(*args, **options)
        except EvenhandError as error:
            say(str(error))
            return error.exit_code

    return run


def own_config(path: Path | None) -> Config | None:
    """The config to judge by: the one named, the one of this folder, or None for the run's own."""
    from audit.config import config_here, load_config

    return load_config(path) if path or config_here() else None


def as_given(verb: str, options: Mapping[str, Any]) -> str:
    """The command as it was given, so that a reader of the report can give it again."""
    given = [(name.replace("_", "-"), str(value)) for name, value in options.items() if value is not None]
    return " ".join([verb, *(f"--{name} {shlex.quote(value)}" for name, value in given)])


def render(folder: Path, console: Any = None, reveal: bool = False) -> Path:
    """Write the reports of a run; return the page."""
    import time

    import reports

    began = time.monotonic()
    if console is not None:
        console.begin("report", 0)
    path: Path = reports.write_reports(folder, reveal=reveal)
    if console is not None:
        console.end("report", time.monotonic() - began, False)
    return path
