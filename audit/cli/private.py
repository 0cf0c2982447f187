"""The verbs of a privacy audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from audit.cli.shared import (
    EXIT_CODES,
    as_given,
    config_option,
    guarded,
    layout_option,
    locale_option,
    on_bad_option,
    render,
    say,
    strict_option,
)
from audit.errors import EXIT_PASS, ConfigError


@click.group("privacy", epilog=EXIT_CODES)
def privacy_group() -> None:
    """Tell what a fine-tuned model learnt by heart, and about whom.

    'plant' writes canaries into a training file, 'audit' looks at the model that was
    trained on it; 'generate' makes records whose every identifier is known, to try both.
    """


@privacy_group.command("generate")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="How many records")
@locale_option
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all that is drawn")
@click.option("--texts", type=click.Path(path_type=Path), help="Review sentences of your own, one a line")
@guarded
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
@config_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Training file to write")
@click.option("--held-out-file", type=click.Path(path_type=Path), help="Where the rest goes [beside OUT]")
@click.option("--ledger", type=click.Path(path_type=Path), help="Where coins and secrets go [beside OUT]")
@layout_option
@locale_option
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
@on_bad_option
@guarded
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
        say(f"note: {note}")
    say("the ledger holds coins and secrets: keep it from whoever trains elsewhere")
    click.echo(made.summary)
    return EXIT_PASS


@privacy_group.command("audit", epilog=EXIT_CODES)
@config_option
@click.option("--model", help="The model after its training: hf:ORG/NAME[@REVISION], a folder, ...")
@click.option("--base", help="The model before its training, named likewise")
@click.option("--ledger", type=click.Path(path_type=Path), help="What 'plant' wrote beside the training file")
@click.option("--members", type=click.Path(path_type=Path), help="Training file [the ledger's]")
@click.option("--held-out", type=click.Path(path_type=Path), help="Records not trained on [the ledger's]")
@click.option("--claimed-epsilon", type=float, help="Epsilon that the training claims")
@layout_option
@locale_option
@on_bad_option
@click.option("--generations", type=click.IntRange(0), help="Texts searched for personal information [400]")
@click.option("--max-records", type=click.IntRange(0), help="Records of each side to look at [2000]; 0: all")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [.evenhand/runs/privacy-<model>-<settings>]")
@click.option("--seed", type=int, help="Seed of samples and sampling noise")
@click.option("--fresh", is_flag=True, help="Throw away what the run folder holds")
@click.option("--gate", "gated", is_flag=True, help="Exit with the verdict's code, as 'evenhand gate' does")
@strict_option
@click.option("--reveal", is_flag=True, help="Show in the report what is masked otherwise")
@click.option("--quiet", is_flag=True, help="No progress")
@guarded
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

    command = as_given("evenhand privacy audit", {"config": config_path, "out": out, **options})
    config = load_config(config_path).changed("model", name=options.pop("model"))
    config = config.changed("run", seed=options.pop("seed"), locale=options.pop("locale"))
    config = config.changed("privacy", **options)
    with Console(quiet) as console:
        folder, overall = audit_privacy(config, out, progress=console, fresh=fresh, command=command, strict=strict)
        report = render(folder, console, reveal=reveal)
    say(overall.sentence)
    click.echo(f"report  {report}\nrun     {folder}")
    return overall.exit_code if gated or strict else EXIT_PASS
