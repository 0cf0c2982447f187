"""A rule as a folder: rule.json for the service, README.md for whoever answers for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audit.errors import ConfigError
from audit.mitigation.decisions.card import card
from audit.mitigation.decisions.fit import TOLERANCE, check_allowed, fit_rule
from audit.mitigation.decisions.rule import Constraint, DecisionRule, Labels, Method
from audit.tables import replacing

RULE: Final = "rule.json"
CARD: Final = "README.md"


def export_rule(rule: DecisionRule, folder: Path, *, uses_protected_attribute: bool = False) -> Path:
    """Write the rule and its card into ``folder``, in place of a rule that lies there, and return the folder.

    Raises
    ------
    ConfigError
        If the rule needs the protected attribute and the flag is off (or the other way round), or the
        folder cannot be written or has a README.md that is no rule's.
    """
    check_allowed(rule.method, uses_protected_attribute=uses_protected_attribute)
    _check_folder(folder)
    for name, text in ((RULE, rule.to_json()), (CARD, card(rule))):
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return folder


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; name a folder with --out")
    if (folder / CARD).exists() and not (folder / RULE).exists():
        raise ConfigError(f"{folder / CARD}: is not of a rule and would be lost; name another folder with --out")


def mend(
    run_folder: Path,
    out: Path,
    *,
    axis: str,
    task: str | None = None,
    method: Method = "exponentiated-gradient",
    constraint: Constraint = "demographic-parity",
    uses_protected_attribute: bool = False,
    labels: Labels | None = None,
    groups: Sequence[str] = (),
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> str:
    """Fit a rule and export it, as ``evenhand mitigate decisions`` does; return where its files lie, a line each.

    Parameters as of :func:`~audit.mitigation.decisions.fit.fit_rule` and :func:`export_rule`. Nothing is
    fitted that may not be exported.
    """
    check_allowed(method, uses_protected_attribute=uses_protected_attribute)
    _check_folder(out)
    if (out / RULE).exists():  # its lots may be in use
        raise ConfigError(f"{out / RULE}: is there already; name another folder with --out, or remove it first")
    rule = fit_rule(
        run_folder,
        task=task,
        axis=axis,
        method=method,
        constraint=constraint,
        labels=labels,
        groups=groups,
        tolerance=tolerance,
        seed=seed,
    )
    export_rule(rule, out, uses_protected_attribute=uses_protected_attribute)
    return f"card    {out / CARD}\nrule    {out / RULE}"
