"""The stage ``measure`` of a privacy audit: tables to findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.privacy.measuring.exposures import exposure_rows
from audit.privacy.measuring.extractions import black_box_rows, extraction_rows
from audit.privacy.measuring.memberships import membership_rows
from audit.privacy.measuring.one_run_rows import epsilon_rows
from audit.privacy.measuring.pii_rates import pii_rows
from audit.privacy.measuring.readings import readings
from audit.privacy.measuring.rows import in_order


def measure(there: Mapping[str, pa.Table], config: Config, manifest: Mapping[str, Any]) -> pa.Table:
    """Measure all that the tables of a run allow.

    Parameters
    ----------
    there
        The run's tables by name: records, and where there are likelihoods, likelihoods-base, probes,
        completions, completions-base, detections.
    config
        Its ``privacy`` says how hard an attacker tries, its ``reference`` whom groups are compared with.
    manifest
        The run's manifest: how many canaries were to be guessed, and what could not be measured.

    Returns
    -------
    The table ``findings``, domain "privacy", in an order that depends on its content alone.
    """
    locale, settings, reference = config.run.locale, config.privacy, reference_groups(there["records"], config)
    rows: list[dict[str, Any]] = []
    if "likelihoods" in there:
        target = readings(there["records"], there["likelihoods"])
        base = readings(there["records"], there["likelihoods-base"]) if "likelihoods-base" in there else None
        rows += exposure_rows(target, base, locale, reference)
        rows += membership_rows(target, base, locale, reference, fpr=settings.fpr, seed=config.run.seed)
        rows += extraction_rows(target, base, locale, reference, settings)
        if "epsilon_lower_bound" not in manifest["not_measured"]:
            plan = manifest["guesses"]
            groups = {
                axis: {group: (k["in"], k["out"]) for group, k in found.items()}
                for axis, found in plan["groups"].items()
            }
            rows += epsilon_rows(target, locale, settings, (plan["in"], plan["out"]), groups)
    if "detections" in there:
        named = config.model_copy(update={"reference": reference})
        rows += pii_rows(there, named, with_base="completions-base" in there)
    if "completions-extraction" in there:
        rows += black_box_rows(there["probes-extraction"], there["completions-extraction"], there["records"], locale)
    return tables.check("findings", tables.from_rows("findings", in_order(rows)))


def reference_groups(records: pa.Table, config: Config) -> dict[str, str]:
    """Axis → the group that others are compared with: the config's, the persona file's, or the largest.

    The largest where neither names one that there is, the first by name among equals.
    """
    wanted = _of_the_names(config) | config.reference
    counts: dict[str, dict[str, int]] = {}
    for row in records["attributes"].to_pylist():
        for axis, group in row:
            by_group = counts.setdefault(axis, {})
            by_group[group] = by_group.get(group, 0) + 1
    return {
        axis: wanted[axis]
        if wanted.get(axis) in by_group
        else min(by_group, key=lambda group: (-by_group[group], group))
        for axis, by_group in sorted(counts.items())
    }


def _of_the_names(config: Config) -> dict[str, str]:
    """The persona file's references; none where the locale has no such file."""
    from audit.errors import ConfigError
    from audit.probes import references

    try:
        return references(config.model_copy(update={"reference": {}}))
    except ConfigError:
        return {}
