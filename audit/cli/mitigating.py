"""The verbs that mend: fine-tune, compare variants, make decision rules, export."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
    run_argument,
    say,
)
from audit.errors import EXIT_PASS, ConfigError

if TYPE_CHECKING:
    from audit.config import Config

_train = click.option("--train", type=click.Path(path_type=Path), help="Records to train on [the ledger's]")
_ledger = click.option("--ledger", type=click.Path(path_type=Path), help="What 'privacy plant' wrote beside them")
_fresh = click.option("--fresh", is_flag=True, help="Begin anew; what was spent stays on record")
_quiet = click.option("--quiet", is_flag=True, help="No progress")


@click.command("finetune", epilog=EXIT_CODES)
@config_option
@click.option("--model", help="What to train: embedded:smollm2, hf:ORG/NAME[@REVISION], or a folder")
@_train
@_ledger
@layout_option
@locale_option
@on_bad_option
@click.option("--epsilon", type=float, help="What may be spent [8]")
@click.option("--delta", help="A number, or auto: 1 / public size^1.1, the ledger's if less [auto]")
@click.option("--noise-multiplier", type=float, help="In place of --epsilon")
@click.option("--no-privacy", is_flag=True, help="Train without any promise")
@click.option("--unit", type=click.Choice(["record", "customer"]), help="What is protected [record]")
@click.option("--public-size", type=click.IntRange(1), help="Number of units, treated as public [two digits of it]")
@click.option("--method", type=click.Choice(["lora", "full"]), help="Adapters, or every layer [lora]")
@click.option(
    "--clipping",
    type=click.Choice(["bookkeeping", "hooks", "ghost"]),
    help="How: one pass of ours, or Opacus's two [bookkeeping]",
)
@click.option("--augment", multiple=True, help="Axis of counterfactual copies, or all; may be given again")
@click.option("--batch-size", type=click.IntRange(1), help="Units that a step is expected to take [64]")
@click.option("--epochs", type=float, help="How often a unit is expected to be taken [3]")
@click.option("--learning-rate", type=float, help="Of AdamW [1e-3; 1e-4 with --method full]")
@click.option("--seed", type=click.IntRange(0), help="For studies: whoever knows it can take the noise off")
@click.option("--out", type=click.Path(path_type=Path), help="Where the model goes")
@click.option("--plan", "planned", is_flag=True, help="Tell noise, steps, epsilon and time; train nothing")
@click.option("--json", "as_json", is_flag=True, help="With --plan: print it as data")
@_fresh
@_quiet
@guarded
def finetune_command(
    config_path: Path | None,
    model: str | None,
    out: Path | None,
    planned: bool,
    as_json: bool,
    fresh: bool,
    quiet: bool,
    ledger: Path | None,
    layout: str | None,
    locale: str | None,
    on_bad: str | None,
    no_privacy: bool,
    delta: str | None,
    augment: tuple[str, ...],
    **options: Any,
) -> int:
    """Fine-tune a model on a shop's records with differential privacy, and state what it promises.

    Leaves OUT/model: adapters (or all weights), a tokenizer, privacy.json and a model card. A training that was
    stopped or killed goes on when the same command is given again; what it spent is never spent twice.
    """
    from audit.config import load_config
    from audit.console import Console
    from audit.mitigation import plan, training

    given = {"config": config_path, "model": model, "train": options["train"], "ledger": ledger, **options}
    if no_privacy and (options["epsilon"] or options["noise_multiplier"]):
        raise ConfigError("--no-privacy: promises nothing, so --epsilon and --noise-multiplier have no meaning with it")
    if as_json and not planned:
        raise ConfigError("--json: prints a plan as data, and trains nothing; add --plan, or leave it out")
    config = load_config(config_path).changed("model", name=model).changed("run", locale=locale)
    config = config.changed("privacy", ledger=ledger, layout=layout, on_bad=on_bad)
    config = config.changed(
        "finetune",
        delta=_number(delta),
        augment=augment or None,
        private=False if no_privacy else None,
        **options,
    )
    with Console(quiet) as console:
        if planned:
            found = training.plan_training(config, progress=console)
            click.echo(plan.to_json(found) if as_json else plan.to_text(found), nl=False)
            return EXIT_PASS
        if out is None:
            raise ConfigError("--out: says nowhere where the model goes; name a folder")
        command = as_given("evenhand finetune", {**given, "out": out})
        made = training.finetune(config, out, progress=console, fresh=fresh, command=command)
    if int(os.environ.get("RANK", "0")) == 0:  # of several processes one speaks
        say(training.promise(made))
        click.echo(f"model   {made}")
    return EXIT_PASS


def _number(delta: str | None) -> float | str | None:
    if delta is None or delta == "auto":
        return delta
    try:
        return float(delta)
    except ValueError as error:
        raise ConfigError(f"--delta: {delta!r} is no number; give one such as 1e-5, or auto") from error


@click.group("mitigate", epilog=EXIT_CODES)
def mitigate_group() -> None:
    """Mend a model, and show what each way costs.

    'variants' trains the model with and without privacy and counterfactual copies, and audits each; 'decisions'
    makes a rule for a service from a run's decisions; 'export' merges adapters into whole weights.
    """


@mitigate_group.command("variants", epilog=EXIT_CODES)
@config_option
@click.option("--model", help="The model before: embedded:smollm2, hf:ORG/NAME[@REVISION], or a folder")
@_train
@_ledger
@click.option("--epsilon", "epsilons", type=float, multiple=True, help="Of the private variants [8]; may be repeated")
@click.option("--prompt", "prompts", multiple=True, help="Named system prompt, as a variant; may be given again")
@click.option("--only", multiple=True, help="Do this cell only, such as dp-e8; may be given again")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of all variants [.evenhand/runs/mitigate-...]")
@_fresh
@_quiet
@guarded
def variants_command(
    config_path: Path | None,
    model: str | None,
    train: Path | None,
    ledger: Path | None,
    epsilons: tuple[float, ...],
    prompts: tuple[str, ...],
    only: tuple[str, ...],
    out: Path | None,
    fresh: bool,
    quiet: bool,
) -> int:
    """Train and audit the variants base, FT, FT+CDA, DP and DP+CDA, and draw the frontier.

    What privacy costs in utility and in gaps, and what it keeps from leaking, with intervals on paired changes.
    A stopped run goes on where it was, and a report can be had at any time: unfinished variants are named in it.
    """
    from audit.config import load_config
    from audit.console import Console
    from audit.mitigation import run as mitigation

    given = {"config": config_path, "model": model, "train": train, "ledger": ledger, "out": out}
    lists = [f"--epsilon {e:g}" for e in epsilons] + [f"--prompt {shlex.quote(p)}" for p in prompts]
    command = " ".join([as_given("evenhand mitigate variants", given), *lists])
    config: Config = load_config(config_path).changed("model", name=model).changed("privacy", ledger=ledger)
    config = config.changed("finetune", train=train)
    config = config.changed("mitigation", epsilons=epsilons or None, prompts=prompts or None)
    with Console(quiet) as console:
        folder = mitigation.mitigate(config, out, progress=console, fresh=fresh, command=command, only=only)
        report = render(folder, console)
    click.echo(mitigation.summary(folder), err=True)
    click.echo(f"report  {report}\nrun     {folder}")
    return mitigation.exit_code(folder)


@mitigate_group.command("decisions")
@run_argument
@click.option("--task", help="Of the run's decisions [its only one]")
@click.option("--axis", required=True, help="Whose gap to mend, such as gender")
@click.option(
    "--method",
    type=click.Choice(["exponentiated-gradient", "threshold-optimizer"]),
    default="exponentiated-gradient",
    show_default=True,
    help="How; the second one needs the group whenever it decides",
)
@click.option(
    "--constraint",
    type=click.Choice(["demographic-parity", "true-positive-rate-parity", "equalized-odds"]),
    default="demographic-parity",
    show_default=True,
    help="What is to be alike between the groups",
)
@click.option(
    "--uses-protected-attribute", is_flag=True, help="The service will know each customer's group when it decides"
)
@click.option("--group", "groups", multiple=True, help="Fit on these groups only; may be given again")
@click.option("--labels", type=click.Choice(["gold", "own", "no-cue"]), help="What a right decision is taken to be")
@click.option("--tolerance", type=float, default=0.05, show_default=True, help="Gap that may be left, as a share")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Deals the folds that the figures are from"
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for rule.json and its card")
@guarded
def decisions_command(folder: Path | None, out: Path, groups: tuple[str, ...], **options: Any) -> int:
    """Fit a rule on a run's decision log-odds that narrows a gap, for a service to apply. RUN is a run folder."""
    from audit.mitigation import decisions
    from audit.run_folder import latest

    made = decisions.mend(folder or latest(), out, groups=groups, **options)
    for sentence in decisions.findings(decisions.read_rule(out / "rule.json")):
        say(sentence)
    click.echo(made)
    return EXIT_PASS


@mitigate_group.command("export")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the whole weights")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Precision of the saved weights",
)
@guarded
def export_command(model: Path, out: Path, dtype: Literal["float32", "bfloat16"]) -> int:
    """Merge MODEL's adapters into whole safetensors, for transformers, vLLM or llama.cpp's converter.

    The privacy statement goes with them, sealed for the new weights.
    """
    from audit.mitigation.export import export_merged

    click.echo(export_merged(model, out, dtype=dtype))
    return EXIT_PASS
