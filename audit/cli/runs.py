"""The verbs of a fairness audit: plan it, run it, or one of its stages, judge it, show it."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from audit.cli.shared import (
    EXIT_CODES,
    as_given,
    config_option,
    guarded,
    own_config,
    render,
    run_argument,
    say,
    strict_option,
)
from audit.errors import EXIT_PASS, ConfigError


@click.command("run", epilog=EXIT_CODES)
@config_option
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
@strict_option
@click.option("--quiet", is_flag=True, help="No progress")
@guarded
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
    command = " ".join([as_given("evenhand run", options), *flags, *(f"--task {shlex.quote(task)}" for task in tasks)])
    with Console(quiet) as console:
        folder, overall = pipeline.run_audit(config, out, progress=console, fresh=fresh, command=command, strict=strict)
        report = render(folder, console)
    say(overall.sentence)
    click.echo(f"report  {report}\nrun     {folder}")
    return overall.exit_code if gated or strict else EXIT_PASS


@click.command("plan")
@config_option
@click.option("--model", help="embedded:smollm2, hf:ORG/NAME[@REVISION], a folder, or planted:SPEC (a known bias)")
@click.option("--sample", type=int, help="Target probes of each text task; 0 asks all")
@click.option("--task", "tasks", multiple=True, help="Plan this task only; may be given again")
@click.option("--from", "run", type=click.Path(path_type=Path), help="Earlier run whose variances and speed to take")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as data")
@guarded
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


@click.command("score")
@run_argument
@guarded
def score_command(folder: Path | None) -> int:
    """Score a run's completions again; asks the model nothing. RUN is a run folder [the newest]."""
    from audit import pipeline
    from audit.run_folder import latest

    run = pipeline.resume(folder or latest())
    pipeline.score(run)
    click.echo(run.folder / "scores.parquet")
    return EXIT_PASS


@click.command("measure")
@run_argument
@config_option
@guarded
def measure_command(folder: Path | None, config_path: Path | None) -> int:
    """Measure levels and gaps of a run's scores again. RUN is a run folder [the newest]."""
    from audit import pipeline
    from audit.run_folder import latest

    run = pipeline.resume(folder or latest(), own_config(config_path))
    pipeline.measure(run)
    click.echo(run.folder / "findings.parquet")
    return EXIT_PASS


@click.command("gate", epilog=EXIT_CODES)
@run_argument
@config_option
@strict_option
@click.option("--json", "as_json", is_flag=True, help="Print verdicts.json instead of the sentence")
@guarded
def gate_command(folder: Path | None, config_path: Path | None, strict: bool, as_json: bool) -> int:
    """Judge a run by the rules of the config and exit with the verdict's code.

    RUN is a run folder [the newest]. Without a config at hand the rules that the run was
    last judged by apply. A report that the run holds is written again with the new verdict.
    """
    from audit import pipeline
    from audit.run_folder import latest

    run = pipeline.resume(folder or latest(), own_config(config_path))
    overall = pipeline.gate(run, strict=strict)
    if (run.folder / "report.html").is_file():
        render(run.folder)
    click.echo(
        (run.folder / "verdicts.json").read_text(encoding="utf-8") if as_json else overall.sentence, nl=not as_json
    )
    return overall.exit_code


@click.command("report")
@run_argument
@click.option("--reveal", is_flag=True, help="Show personal values that are masked otherwise")
@guarded
def report_command(folder: Path | None, reveal: bool) -> int:
    """Write report.html and summary.md of a run. RUN is a run folder [the newest]."""
    from audit import pipeline
    from audit.run_folder import latest

    click.echo(render(pipeline.resume(folder or latest()).folder, reveal=reveal))
    return EXIT_PASS


@click.command("list")
@config_option
@guarded
def list_command(config_path: Path | None) -> int:
    """List the tasks that can be asked, with what each stands for."""
    from audit.config import load_config
    from audit.probes import load_suites

    config = load_config(config_path)
    for suite in load_suites(config.changed("run", tasks=())):
        judged = "judged" if suite.judged else "described"
        click.echo(f"{suite.task}\t{suite.locale}\t{suite.output_form}\t{judged}\t{suite.title}")
    return EXIT_PASS


VERBS = (
    run_command,
    plan_command,
    score_command,
    measure_command,
    gate_command,
    report_command,
    list_command,
)
