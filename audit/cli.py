"""The command line: verbs, options, exit codes. No logic of its own, nothing heavy imported early."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from importlib import metadata
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
_config = click.option("--config", "config_path", type=click.Path(path_type=Path), help="Config file [evenhand.toml]")
_strict = click.option("--strict", is_flag=True, help="Exit 4 where an error-level rule is inconclusive")
_run = click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[RUN]")


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
            _say(error.format_message())
            code = EXIT_USAGE
        except (click.Abort, KeyboardInterrupt):
            _say("stopped; what was finished is kept, the same command goes on from there")
            code = 130
        except Exception as error:
            traceback.print_exc()
            _say(f"an error of evenhand's own ({type(error).__name__}); finished work is kept; please report this")
            code = EXIT_BACKEND
        raise SystemExit(code if isinstance(code, int) else EXIT_PASS)


def _say(message: str) -> None:
    click.echo(f"evenhand: {message}", err=True)


def _guarded(verb: Callable[..., int]) -> Callable[..., int]:
    """Turn an error of ours into one line and its exit code."""

    @wraps(verb)
    def run(*args: Any, **options: Any) -> int:
        try:
            return verb(*args, **options)
        except EvenhandError as error:
            _say(str(error))
            return error.exit_code

    return run


@click.group(cls=Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("evenhand"), prog_name="evenhand")
def main() -> None:
    """Audit whether a language model treats a shop's customers evenly, and gate releases on it."""


@main.command("run", epilog=EXIT_CODES)
@_config
@click.option("--model", help="Model: embedded:smollm2, hf:ORG/NAME[@REVISION], or a folder")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [.evenhand/runs/<model>-<settings>]")
@click.option("--seed", type=int, help="Seed of samples and sampling noise")
@click.option("--sample", type=int, help="Target probes of each text task; 0 asks all")
@click.option("--task", "tasks", multiple=True, help="Ask this task only; may be given again")
@click.option("--fresh", is_flag=True, help="Throw away what the run folder holds")
@click.option("--gate", "gated", is_flag=True, help="Exit with the verdict's code, as 'evenhand gate' does")
@_strict
@click.option("--quiet", is_flag=True, help="No progress")
@_guarded
def run_command(
    config_path: Path | None,
    model: str | None,
    out: Path | None,
    seed: int | None,
    sample: int | None,
    tasks: tuple[str, ...],
    fresh: bool,
    gated: bool,
    strict: bool,
    quiet: bool,
) -> int:
    """Audit a model: ask, score, measure, judge, and write the report.

    A run that was stopped goes on where it was when the same command is given again.
    Prints the paths of the report and the run; exits 0 when the audit is done, whatever
    the verdict, unless --gate is given.
    """
    from audit import pipeline
    from audit.config import load_config
    from audit.console import Console

    config = load_config(config_path).changed("model", name=model)
    config = config.changed("run", seed=seed, sample=sample, tasks=tasks or None)
    options = {"config": config_path, "model": model, "out": out, "seed": seed, "sample": sample}
    words = ["evenhand run", *(f"--{name} {value}" for name, value in options.items() if value is not None)]
    command = " ".join([*words, *(f"--task {task}" for task in tasks)])
    with Console(quiet) as console:
        folder, overall = pipeline.run_audit(config, out, progress=console, fresh=fresh, command=command, strict=strict)
        report = _render(folder, console)
    _say(overall.sentence)
    click.echo(f"report  {report}\nrun     {folder}")
    return overall.exit_code if gated or strict else EXIT_PASS


@main.command("score")
@_run
@_guarded
def score_command(folder: Path | None) -> int:
    """Score a run's completions again; asks the model nothing. RUN is a run folder [the newest]."""
    from audit import pipeline

    run = pipeline.resume(folder or pipeline.latest())
    pipeline.score(run)
    click.echo(run.folder / "scores.parquet")
    return EXIT_PASS


@main.command("measure")
@_run
@_config
@_guarded
def measure_command(folder: Path | None, config_path: Path | None) -> int:
    """Measure levels and gaps of a run's scores again. RUN is a run folder [the newest]."""
    from audit import pipeline

    run = pipeline.resume(folder or pipeline.latest(), _own_config(config_path))
    pipeline.measure(run)
    click.echo(run.folder / "findings.parquet")
    return EXIT_PASS


@main.command("gate", epilog=EXIT_CODES)
@_run
@_config
@_strict
@click.option("--json", "as_json", is_flag=True, help="Print verdicts.json instead of the sentence")
@_guarded
def gate_command(folder: Path | None, config_path: Path | None, strict: bool, as_json: bool) -> int:
    """Judge a run by the rules of the config and exit with the verdict's code.

    RUN is a run folder [the newest]. Without a config at hand the rules that the run was
    last judged by apply. A report that the run holds is written again with the new verdict.
    """
    from audit import pipeline

    run = pipeline.resume(folder or pipeline.latest(), _own_config(config_path))
    overall = pipeline.gate(run, strict=strict)
    if (run.folder / "report.html").is_file():
        _render(run.folder)
    click.echo(
        (run.folder / "verdicts.json").read_text(encoding="utf-8") if as_json else overall.sentence, nl=not as_json
    )
    return overall.exit_code


@main.command("report")
@_run
@_guarded
def report_command(folder: Path | None) -> int:
    """Write report.html and summary.md of a run. RUN is a run folder [the newest]."""
    from audit import pipeline

    click.echo(_render(pipeline.resume(folder or pipeline.latest()).folder))
    return EXIT_PASS


@main.command("list")
@_config
@_guarded
def list_command(config_path: Path | None) -> int:
    """List the tasks that can be asked, with what each stands for."""
    from audit.config import load_config
    from audit.probes import load_suites

    config = load_config(config_path)
    for suite in load_suites(config.changed("run", tasks=())):
        judged = "judged" if suite.judged else "described"
        click.echo(f"{suite.task}\t{suite.locale}\t{suite.output_form}\t{judged}\t{suite.title}")
    return EXIT_PASS


def _own_config(path: Path | None) -> Config | None:
    """The config to judge by: the one named, the one of this folder, or None for the run's own."""
    from audit.config import config_here, load_config

    return load_config(path) if path or config_here() else None


def _render(folder: Path, console: Any = None) -> Path:
    import time

    import reports

    began = time.monotonic()
    if console is not None:
        console.begin("report", 0)
    view = reports.build_view(folder)
    reports.write_markdown(view, folder / "summary.md")
    path = folder / "report.html"
    reports.write_html(view, path)
    if console is not None:
        console.end("report", time.monotonic() - began, False)
    return path
