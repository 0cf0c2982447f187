"""Exposure of canaries: those that were planted beside those that were not, and beside the model from before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audit.privacy.attacks.exposure import LEAST_REFERENCES, Exposure, Method, exposure, null_exposure
from audit.privacy.measuring.groups import group_rows
from audit.privacy.measuring.means import difference_of, mean_of
from audit.privacy.measuring.readings import Reading, Reals, labels, models, of_role
from audit.privacy.measuring.rows import Model, Subject, finding
from audit.privacy.planting import SECRET

# Metric → how it ranks.
_METHODS: Final[dict[str, Method]] = {"exposure": "sampled", "exposure_extrapolated": "extrapolated"}


def exposure_rows(
    target: Sequence[Reading], base: Sequence[Reading] | None, locale: str, reference: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Levels by model, coin and group; the planted less the others, and less the model from before."""
    for metric, method in _METHODS.items():
        bits: dict[tuple[Model, bool], tuple[list[Reading], Reals]] = {}
        for arm, said in models(target, base):
            found = _exposures(said, method)
            if found is None:
                continue
            canaries, values = found
            for inserted in (True, False):
                chosen = [place for place, one in enumerate(canaries) if one.inserted is inserted]
                bits[arm, inserted] = [canaries[place] for place in chosen], values.bits[chosen]
                subject = Subject(metric, "bits", "inserted" if inserted else "not_inserted", locale, arm)
                yield from _levels(subject, *bits[arm, inserted], values, reference)
        subject = Subject(metric, "bits", "inserted", locale)
        if ("target", True) not in bits:
            continue
        planted, others = bits["target", True], bits["target", False]
        if others[0]:
            yield difference_of(subject, planted[1], others[1], "not_inserted")
        if ("base", True) in bits:
            before = dict(zip((one.record_id for one in bits["base", True][0]), bits["base", True][1], strict=True))
            gained = [value - before.get(one.record_id, np.nan) for one, value in zip(*planted, strict=True)]
            columns = mean_of(np.array(gained))
            yield finding(subject, "difference", method="paired by canary", reference="base", **columns)


def _exposures(said: Sequence[Reading], method: Method) -> tuple[list[Reading], Exposure] | None:
    canaries, references = of_role(said, "canary"), of_role(said, "reference")
    canaries, references = ([one for one in some if _has_secret(one)] for some in (canaries, references))
    if not canaries or not references or (method == "extrapolated" and len(references) < LEAST_REFERENCES):
        return None
    try:
        return canaries, exposure(secret_nll(canaries), secret_nll(references), method=method)
    except ValueError:  # references that a model gives one and the same likelihood: nothing to extrapolate from
        return None


def secret_nll(some: Sequence[Reading]) -> Reals:
    """Negative log-likelihood of each secret after what stands before it, in nats: (canaries,)."""
    return np.array([-one.logprobs[slice(*_secret(one))].sum() for one in some])


def _has_secret(one: Reading) -> bool:
    return any(name == SECRET for name, _, _ in one.spans)


def _secret(one: Reading) -> tuple[int, int]:
    return next((first, last) for name, first, last in one.spans if name == SECRET)


def _levels(
    subject: Subject, some: Sequence[Reading], bits: Reals, found: Exposure, reference: dict[str, str]
) -> Iterator[dict[str, Any]]:
    method = _words(found)
    yield finding(subject, "mean", method=method, **mean_of(bits))
    for row in group_rows(subject, some, bits, "mean", method, reference):
        yield uncensored(row, some, bits >= found.ceiling)


def uncensored(row: dict[str, Any], some: Sequence[Reading], at_ceiling: NDArray[np.bool_]) -> dict[str, Any]:
    """Take the interval off a contrast of which more than half of a group's canaries are at the ceiling.

    They may lie any number of bits above it: a group that was learnt far better would look alike.
    """
    if row["statistic"] != "contrast":
        return row
    names = labels(some, row["axis"])
    full = [name for name in (row["group"], row["reference"]) if at_ceiling[names == name].mean() > 0.5]
    if not full:
        return row
    words = f"at the ceiling: more than half of the canaries of {' and '.join(full)}, so that the difference is cut off"
    words += " and has no interval; exposure_extrapolated has no ceiling"
    columns = ("ci_low", "ci_high", "se", "df", "p_value", "mde")
    return row | {"method": f"{row['method']}; {words}"} | {name: None for name in columns if name in row}


def _words(found: Exposure) -> str:
    if found.method == "sampled":
        null = null_exposure(found.references)
        return (
            f"rank of the secret's likelihood among {found.references} references; {null:.2f} bits on average where "
            f"nothing was learnt, {found.ceiling:.2f} at most"
        )
    fit = "" if found.ks_p_value is None else f", Kolmogorov-Smirnov p {found.ks_p_value:.2g} of the fit"
    return f"skew-normal curve fitted to {found.references} references{fit}"
