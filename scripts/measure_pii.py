"""How well personal information is recognised: precision and recall by type, on texts labelled before the recognisers.

    python scripts/measure_pii.py [--half develop|held-out] [--locale en zh] [--out docs/benchmarks/pii.md]

A finding is right where it overlaps a mark of the same type: what counts is whether a value was
seen, and of which kind. How many are exact to the character stands beside it. Intervals are
Wilson's, 95 %. The recogniser is worked on with the develop half alone; the held-out half is
read here and nowhere else, and no text of it is printed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from audit.manifest import machine
from audit.privacy.pii import TYPES, Found, open_detector, recall_by_group
from audit.statistics.proportions import wilson

LABELLED: Final = Path(__file__).parents[1] / "tests" / "privacy" / "labelled"
NAMES: Final = {"en": "English", "zh": "Chinese"}
_MARK: Final = re.compile(r"⟪(?P<type>[A-Z_]+)\|(?P<value>[^⟪⟫]*)⟫")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text without its marks, and what was marked."""

    text: str
    marks: tuple[Found, ...]


@dataclass(slots=True)
class Tally:
    """Marks and findings of a type, in how many texts they were right."""

    marks: int = 0
    seen: int = 0
    exact: int = 0
    found: int = 0
    right: int = 0


@dataclass(slots=True)
class Measured:
    """Figures of a locale."""

    texts: int
    characters: int
    seconds: float
    unmarked: int
    disturbed: int
    by_type: dict[str, Tally] = field(default_factory=dict)


def read_labelled(path: Path) -> Iterator[Labelled]:
    """The labelled texts of a file.

    Raises
    ------
    ValueError
        If a mark is left open or has an unknown type.
    """
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        _, marked = line.split("\t", 1)
        yield parse_marks(marked, f"{path.name}:{number}")


def parse_marks(marked: str, where: str = "text") -> Labelled:
    r"""A text with marks, taken apart.

    >>> parse_marks("Hi ⟪PERSON|Ana⟫!⏎Bye").text, parse_marks("Hi ⟪PERSON|Ana⟫!").marks[0].end
    ('Hi Ana!\nBye', 6)
    """
    text, marks, at = "", [], 0
    for match in _MARK.finditer(marked):
        if match["type"] not in TYPES:
            raise ValueError(f"{where}: unknown type {match['type']!r}")
        text += marked[at : match.start()]
        marks.append(Found(len(text), len(text) + len(match["value"]), match["type"], 1.0))
        text += match["value"]
        at = match.end()
    text += marked[at:]
    if "⟪" in text or "⟫" in text:
        raise ValueError(f"{where}: a mark is not closed")
    return Labelled(text.replace("⏎", "\n"), tuple(marks))


def judged(texts: Sequence[Labelled], found: Sequence[Sequence[Found]]) -> dict[str, Tally]:
    """Marks and findings compared, by type."""
    tallies = {kind: Tally() for kind in TYPES}
    for text, founds in zip(texts, found, strict=True):
        for mark in text.marks:
            tally = tallies[mark.type]
            same = [one for one in founds if one.type == mark.type and one.start < mark.end and mark.start < one.end]
            tally.marks += 1
            tally.seen += bool(same)
            tally.exact += any((one.start, one.end) == (mark.start, mark.end) for one in same)
        for one in founds:
            tally = tallies[one.type]
            tally.found += 1
            tally.right += any(
                one.type == mark.type and one.start < mark.end and mark.start < one.end for mark in text.marks
            )
    return {kind: tally for kind, tally in tallies.items() if tally.marks or tally.found}


def measure(locale: str, half: str) -> Measured:
    """Recognise every text of a half, and judge what was found."""
    texts = list(read_labelled(LABELLED / f"{locale}-{half}.txt"))
    detector = open_detector(locale)
    start = time.perf_counter()
    found = detector([text.text for text in texts])
    seconds = time.perf_counter() - start
    # Texts without a mark and with digits: bar codes, versions, sizes, prices.
    plain = [
        founds for text, founds in zip(texts, found, strict=True) if not text.marks and re.search(r"\d", text.text)
    ]
    return Measured(
        len(texts),
        sum(len(text.text) for text in texts),
        seconds,
        len(plain),
        sum(bool(founds) for founds in plain),
        judged(texts, found),
    )


def share(events: int, units: int) -> str:
    """A rate with its interval, in per cent.

    >>> share(9, 10), share(0, 0)
    ('90.0 [59.6, 98.2]', '')
    """
    if not units:
        return ""
    low, high = wilson(events, units)
    return f"{100 * events / units:.1f} [{100 * float(low):.1f}, {100 * float(high):.1f}]"


def report(locale: str, figures: Measured) -> list[str]:
    """The lines of a locale."""
    total = Counter[str]()
    rows = []
    for kind, tally in figures.by_type.items():
        rows.append(
            f"| `{kind}` | {tally.marks} | {share(tally.seen, tally.marks)} | {share(tally.right, tally.found)} "
            f"| {share(tally.exact, tally.marks)} |"
        )
        for name in ("marks", "seen", "exact", "found", "right"):
            total[name] += getattr(tally, name)
    rows.append(
        f"| all | {total['marks']} | {share(total['seen'], total['marks'])} "
        f"| {share(total['right'], total['found'])} | {share(total['exact'], total['marks'])} |"
    )
    speed = figures.texts / figures.seconds
    recalls = [
        f"| {row.axis} | {row.group} | {row.names} | {row.asked} | {100 * row.rate.rate:.1f} "
        f"[{100 * row.rate.ci_low:.1f}, {100 * row.rate.ci_high:.1f}] |"
        for row in recall_by_group(open_detector(locale), locale)
    ]
    return [
        f"## {NAMES.get(locale, locale)}",
        "",
        f"{figures.texts} texts, {figures.characters:,} characters, {speed:,.0f} texts a second. "
        f"Of {figures.unmarked} texts with digits and nothing personal, {figures.disturbed} raised a false alarm: "
        f"{share(figures.disturbed, figures.unmarked)} %.",
        "",
        "| type | marked | recall, % | precision, % | exact, % |",
        "|---|---:|---:|---:|---:|",
        *rows,
        "",
        "Names by group, in carrier sentences (recall by name, not by text; intervals over names):",
        "",
        "| axis | group | names | sentences | recall, % |",
        "|---|---|---:|---:|---:|",
        *recalls,
        "",
    ]


def main() -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("develop", "held-out"), default="develop")
    parser.add_argument("--locale", nargs="+", choices=sorted(NAMES), default=sorted(NAMES))
    parser.add_argument("--out", type=Path, help="Markdown file to write the tables to")
    given = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = machine()
    lines = [
        f"{facts['processor']}, {facts['cores']} cores; {given.half} half; nothing is drawn, so there is no seed; "
        f"commit {commit or 'unknown'}",
        "",
        "Right is what overlaps a mark of the same type; exact, what has its very characters. 95 % intervals (Wilson).",
        "",
    ]
    for locale in given.locale:
        lines += report(locale, measure(locale, given.half))
    text = "\n".join(lines).rstrip()
    print(text)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        command = f"python scripts/measure_pii.py --half {given.half} --out docs/benchmarks/pii.md"
        given.out.write_text(
            f"# Recognising personal information\n\nWritten by `{command}`.\n\n{text}\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
