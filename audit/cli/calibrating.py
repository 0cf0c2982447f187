"""The verb that measures evenhand itself."""

from __future__ import annotations

from pathlib import Path

import click

from audit.cli.shared import guarded, say
from audit.errors import EXIT_FAIL, EXIT_PASS


@click.command("calibrate")
@click.option("--quick", is_flag=True, help="Few runs and wider targets: under two minutes, for every change")
@click.option("--out", type=click.Path(path_type=Path), help="Where the results go [.evenhand/calibration]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all that is drawn")
@click.option("--runs", type=click.IntRange(50), help="Simulated audits a figure [2000; 200 with --quick]")
@click.option("--jobs", type=click.IntRange(1), help="Processes [all cores]; the figures do not depend on it")
@click.option("--json", "as_json", is_flag=True, help="Print calibration.json instead of the sentence")
@guarded
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
        say("stopped; nothing was written")
        return 130
    evidence = calibration.write_json(found, folder / "calibration.json")
    page = reports.write_calibration(found, folder)
    if as_json:
        click.echo(evidence.read_text(encoding="utf-8"), nl=False)
    else:
        click.echo(f"{found.sentence}\nreport  {page}")
    return EXIT_FAIL if found.failed else EXIT_PASS
