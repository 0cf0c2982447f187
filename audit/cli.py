"""The command line: verbs, options, exit codes. No logic of its own, nothing heavy imported early."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from audit.errors import EXIT_BACKEND, EXIT_FAIL, EXIT_PASS, EXIT_USAGE, ConfigError, EvenhandError

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
@click.option("--model", help="embedded:smollm2, hf:ORG/NAME[@REVISION], a folder, or planted:SPEC (a known bias)")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [.evenhand/runs/<model>-<settings>]")
@click.option("--seed", type=int, help="Seed of samples and sampling noise")
@click.option("--sample", type=int, help="Target probes of each text task; 0 asks all")
@click.option("--task", "tasks", multiple=True, help="Ask this task only; may be given again")
@click.option(
    "--until-verdict", is_flag=True, help="Stop each rule at the first of three planned looks that decides it"
)
@click.option("--steps", is_flag=True, help="With --until-verdict: look after every step of fresh wordings and names")
@click.option("--budget", type=int, help="With --until-verdict: the most probes to ask")
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
    until_verdict: bool,
    steps: bool,
    budget: int | None,
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
    if steps and not until_verdict:
        raise ConfigError("--steps: goes with --until-verdict; add it")
    mode = ("steps" if steps else "looks") if until_verdict else None
    config = config.changed("run", seed=seed, sample=sample, tasks=tasks or None, until_verdict=mode, budget=budget)
    options = {"config": config_path, "model": model, "out": out, "seed": seed, "sample": sample, "budget": budget}
    flags = ["--until-verdict"] * until_verdict + ["--steps"] * steps
    command = " ".join([_command("evenhand run", options), *flags, *(f"--task {shlex.quote(task)}" for task in tasks)])
    with Console(quiet) as console:
        folder, overall = pipeline.run_audit(config, out, progress=console, fresh=fresh, command=command, strict=strict)
        report = _render(folder, console)
    _say(overall.sentence)
    click.echo(f"report  {report}\nrun     {folder}")
    return overall.exit_code if gated or strict else EXIT_PASS


@main.command("plan")
@_config
@click.option("--model", help="embedded:smollm2, hf:ORG/NAME[@REVISION], a folder, or planted:SPEC (a known bias)")
@click.option("--sample", type=int, help="Target probes of each text task; 0 asks all")
@click.option("--task", "tasks", multiple=True, help="Plan this task only; may be given again")
@click.option("--from", "run", type=click.Path(path_type=Path), help="Earlier run whose variances and speed to take")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as data")
@_guarded
def plan_command(
    config_path: Path | None,
    model: str | None,
    sample: int | None,
    tasks: tuple[str, ...],
    run: Path | None,
    as_json: bool,
) -> int:
    """Tell before a run what it asks, what that takes, and what each rule could find.

    Requests, tokens, a rough time; for each rule and group the smallest gap that would
    be found, whether it could pass, and how many more names and templates that needs.
    Nothing is asked of the model and nothing is written; only its tokenizer is loaded.
    """
    from audit.config import load_config
    from audit.planning import plan
    from audit.planning.show import to_json, to_text

    config = load_config(config_path).changed("model", name=model)
    config = config.changed("run", sample=sample, tasks=tasks or None)
    found = plan(config, run=run)
    click.echo(to_json(found) if as_json else to_text(found), nl=False)
    return EXIT_PASS


@main.command("score")
@_run
@_guarded
def score_command(folder: Path | None) -> int:
    """Score a run's completions again; asks the model nothing. RUN is a run folder [the newest]."""
    from audit import pipeline
    from audit.run_folder import latest

    run = pipeline.resume(folder or latest())
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
    from audit.run_folder import latest

    run = pipeline.resume(folder or latest(), _own_config(config_path))
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
    from audit.run_folder import latest

    run = pipeline.resume(folder or latest(), _own_config(config_path))
    overall = pipeline.gate(run, strict=strict)
    if (run.folder / "report.html").is_file():
        _render(run.folder)
    click.echo(
        (run.folder / "verdicts.json").read_text(encoding="utf-8") if as_json else overall.sentence, nl=not as_json
    )
    return overall.exit_code


@main.command("report")
@_run
@click.option("--reveal", is_flag=True, help="Show personal values that are masked otherwise")
@_guarded
def report_command(folder: Path | None, reveal: bool) -> int:
    """Write report.html and summary.md of a run. RUN is a run folder [the newest]."""
    from audit import pipeline
    from audit.run_folder import latest

    click.echo(_render(pipeline.resume(folder or latest()).folder, reveal=reveal))
    return EXIT_PASS


@main.group("privacy", epilog=EXIT_CODES)
def privacy_group() -> None:
    """Tell what a fine-tuned model learnt by heart, and about whom.

    'plant' writes canaries into a training file, 'audit' looks at the model that was
    trained on it; 'generate' makes records whose every identifier is known, to try both.
    """


_layout = click.option("--layout", help="auto, amazon-2018, amazon-2023, yelp, tickets, chats, generated or columns")
_on_bad = click.option("--on-bad", type=click.Choice(["skip", "fail"]), help="What to do with a line that is no record")
_locale = click.option("--locale", type=click.Choice(["en", "zh"]), help="Language of the records [en]")


@privacy_group.command("generate")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="How many records")
@_locale
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all that is drawn")
@click.option("--texts", type=click.Path(path_type=Path), help="Review sentences of your own, one a line")
@_guarded
def privacy_generate(out: Path, count: int, locale: str | None, seed: int, texts: Path | None) -> int:
    """Write made-up shop records to OUT, a JSONL file: reviews and tickets with customers who do not exist."""
    from audit.config import read_lines
    from audit.privacy import records

    if out.exists():
        raise ConfigError(f"{out}: is there already; name another file, or remove it")
    lines = read_lines(texts) if texts else None
    click.echo(records.write_records(records.generate(count, locale=locale or "en", seed=seed, texts=lines), out))
    return EXIT_PASS


@privacy_group.command("plant")
@click.argument("records_path", metavar="RECORDS", type=click.Path(path_type=Path))
@_config
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Training file to write")
@click.option("--held-out-file", type=click.Path(path_type=Path), help="Where the rest goes [beside OUT]")
@click.option("--ledger", type=click.Path(path_type=Path), help="Where coins and secrets go [beside OUT]")
@_layout
@_locale
@click.option("--canaries", type=click.IntRange(10), default=1000, show_default=True, help="How many get a fair coin")
@click.option(
    "--references", type=click.IntRange(100), default=1000, show_default=True, help="Never inserted, to rank by"
)
@click.option("--form", default="gift_card", show_default=True, help="What the secret is: see the forms of a locale")
@click.option("--held-out", type=float, default=0.1, show_default=True, help="Share of the records not to train on")
@click.option(
    "--split",
    type=click.Choice(["customer", "record"]),
    default="customer",
    show_default=True,
    help="What goes to one side as a whole",
)
@click.option(
    "--repeats", type=click.IntRange(1), default=1, show_default=True, help="Times each inserted canary stands"
)
@click.option("--seed", type=click.IntRange(0), help="Seed of coins and secrets [the system's randomness]")
@click.option("--overwrite", is_flag=True, help="Replace files that are there")
@_on_bad
@_guarded
def privacy_plant(
    records_path: Path,
    config_path: Path | None,
    out: Path,
    held_out_file: Path | None,
    ledger: Path | None,
    layout: str | None,
    locale: str | None,
    canaries: int,
    references: int,
    form: str,
    held_out: float,
    split: str,
    repeats: int,
    seed: int | None,
    overwrite: bool,
    on_bad: str | None,
) -> int:
    """Split RECORDS, plant canaries, and write what to train on, what to keep out, and the ledger.

    Do it before the fine-tuning. Each canary goes into the training file or not by a fair coin;
    the ledger holds coins and secrets: keep it from whoever trains.
    """
    from audit.config import load_config
    from audit.privacy import planting

    config = load_config(config_path).changed("privacy", layout=layout, on_bad=on_bad).changed("run", locale=locale)
    made = planting.plant_by(
        config,
        records_path,
        out,
        held_out_path=held_out_file,
        ledger_path=ledger,
        canaries=canaries,
        references=references,
        form=form,
        held_out=held_out,
        repeats=repeats,
        split=split,
        seed=seed,
        overwrite=overwrite,
    )
    for note in made.notes:
        _say(f"note: {note}")
    _say("the ledger holds coins and secrets: keep it from whoever trains")
    click.echo(made.summary)
    return EXIT_PASS


@privacy_group.command("audit", epilog=EXIT_CODES)
@_config
@click.option("--model", help="The model after its training: hf:ORG/NAME[@REVISION], a folder, ...")
@click.option("--base", help="The model before its training, named likewise")
@click.option("--ledger", type=click.Path(path_type=Path), help="What 'plant' wrote beside the training file")
@click.option("--members", type=click.Path(path_type=Path), help="Training file [the ledger's]")
@click.option("--held-out", type=click.Path(path_type=Path), help="Records not trained on [the ledger's]")
@click.option("--claimed-epsilon", type=float, help="Epsilon that the training claims")
@_layout
@_locale
@_on_bad
@click.option("--generations", type=click.IntRange(0), help="Texts searched for personal information [400]")
@click.option("--max-records", type=click.IntRange(0), help="Records of each side to look at [2000]; 0: all")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [.evenhand/runs/privacy-<model>-<settings>]")
@click.option("--seed", type=int, help="Seed of samples and sampling noise")
@click.option("--fresh", is_flag=True, help="Throw away what the run folder holds")
@click.option("--gate", "gated", is_flag=True, help="Exit with the verdict's code, as 'evenhand gate' does")
@_strict
@click.option("--reveal", is_flag=True, help="Show in the report what is masked otherwise")
@click.option("--quiet", is_flag=True, help="No progress")
@_guarded
def privacy_audit(
    config_path: Path | None,
    out: Path | None,
    fresh: bool,
    gated: bool,
    strict: bool,
    reveal: bool,
    quiet: bool,
    **options: Any,
) -> int:
    """Audit what a model learnt by heart: canaries, records, identifiers, and texts it writes.

    A run that was stopped goes on where it was when the same command is given again.
    Exits 0 when the audit is done, whatever the verdict, unless --gate is given.
    """
    from audit.config import load_config
    from audit.console import Console
    from audit.privacy.run import audit_privacy

    command = _command("evenhand privacy audit", {"config": config_path, "out": out, **options})
    config = load_config(config_path).changed("model", name=options.pop("model"))
    config = config.changed("run", seed=options.pop("seed"), locale=options.pop("locale"))
    config = config.changed("privacy", **options)
    with Console(quiet) as console:
        folder, overall = audit_privacy(config, out, progress=console, fresh=fresh, command=command, strict=strict)
        report = _render(folder, console, reveal=reveal)
    _say(overall.sentence)
    click.echo(f"report  {report}\nrun     {folder}")
    return overall.exit_code if gated or strict else EXIT_PASS


@main.command("calibrate")
@click.option("--quick", is_flag=True, help="Few runs and wider targets: under two minutes, for every change")
@click.option("--out", type=click.Path(path_type=Path), help="Where the results go [.evenhand/calibration]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all that is drawn")
@click.option("--runs", type=click.IntRange(50), help="Simulated audits a figure [2000; 200 with --quick]")
@click.option("--jobs", type=click.IntRange(1), help="Processes [all cores]; the figures do not depend on it")
@click.option("--json", "as_json", is_flag=True, help="Print calibration.json instead of the sentence")
@_guarded
def calibrate_command(
    quick: bool, out: Path | None, seed: int, runs: int | None, jobs: int | None, as_json: bool
) -> int:
    """Measure evenhand itself on planted bias: false alarms, power, coverage, and other rules beside it.

    Writes calibration.json, calibration.md and calibration.html. Exits 1 if a figure misses its target.
    """
    import reports
    from audit import calibration
    from audit.console import Console

    options = {"quick": quick or None, "seed": seed or None, "runs": runs}
    words = [f"--{name}" if value is True else f"--{name} {value}" for name, value in options.items() if value]
    command = " ".join(["evenhand calibrate", *words])
    plan = calibration.plan_for(quick, runs)
    folder = out or Path(".evenhand") / "calibration"
    # Before hours of work, not after them.
    calibration.make_folder(folder)
    try:
        with Console() as console:
            found = calibration.calibrate(plan, seed=seed, jobs=jobs, progress=console, command=command)
    except KeyboardInterrupt:
        _say("stopped; nothing was written")
        return 130
    evidence = calibration.write_json(found, folder / "calibration.json")
    page = reports.write_calibration(found, folder)
    if as_json:
        click.echo(evidence.read_text(encoding="utf-8"), nl=False)
    else:
        click.echo(f"{found.sentence}\nreport  {page}")
    return EXIT_FAIL if found.failed else EXIT_PASS


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


def _command(verb: str, options: Mapping[str, Any]) -> str:
    """The command as it was given, so that a reader of the report can give it again."""
    given = [(name.replace("_", "-"), str(value)) for name, value in options.items() if value is not None]
    return " ".join([verb, *(f"--{name} {shlex.quote(value)}" for name, value in given)])


def _render(folder: Path, console: Any = None, reveal: bool = False) -> Path:
    import time

    import reports

    began = time.monotonic()
    if console is not None:
        console.begin("report", 0)
    path: Path = reports.write_reports(folder, reveal=reveal)
    if console is not None:
        console.end("report", time.monotonic() - began, False)
    return path
