"""The command line: verbs, options, exit codes. No logic of its own, nothing heavy imported early."""

from __future__ import annotations

from importlib import metadata

import click

from audit.cli import calibrating, mitigating, private, runs
from audit.cli.shared import EXIT_CODES, Group


@click.group(cls=Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("evenhand"), prog_name="evenhand")
def main() -> None:
    """Audit whether a language model treats a shop's customers evenly, and gate releases on it."""


for verb in (
    *runs.VERBS,
    private.privacy_group,
    mitigating.finetune_command,
    mitigating.mitigate_group,
    calibrating.calibrate_command,
):
    main.add_command(verb)
