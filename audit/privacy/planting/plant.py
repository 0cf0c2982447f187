"""Planting: split a file at random, toss the coins, put the canaries in, and write down what was done."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from os.path import relpath
from pathlib import Path
from typing import Any, Final

from audit.config import Config
from audit.errors import ConfigError
from audit.manifest import file_hash, now
from audit.privacy.attacks.one_run import guesses_for
from audit.privacy.planting.canaries import Canary, make_canaries
from audit.privacy.planting.canary_rows import planted_rows
from audit.privacy.planting.chance import source
from audit.privacy.planting.files import check_places, together
from audit.privacy.planting.forms import load_form
from audit.privacy.planting.ledger import FEWEST, Chat, Guesses, Ledger, PlantedFile, group_guesses, write_ledger
from audit.privacy.planting.notes import copied, notes_on, problems_of
from audit.privacy.planting.people import people_of
from audit.privacy.planting.survey import OnBad, Split, Survey, draw_sides, survey
from audit.privacy.planting.weave import Kept, scatter, with_canaries
from audit.privacy.records import Layout, Problems, columns_of, find_layout, write_rows
from audit.privacy.records.rows import kind_of
from audit.values import Persona

# In a file of chats of which none has two sides.
_ROLES: Final = ("user", "assistant")


def plant(
    path: Path,
    out: Path,
    *,
    layout: Layout,
    held_out_path: Path,
    ledger_path: Path,
    canaries: int = 1000,
    form: str = "gift_card",
    references: int = 1000,
    held_out: float = 0.1,
    split: Split = "customer",
    repeats: int = 1,
    guesses: tuple[int, int] | None = None,
    delta: float | None = None,
    locale: str = "en",
    people: Sequence[Persona] | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    on_bad: OnBad = "fail",
) -> Ledger:
    """Split ``path`` into a training file with canaries and a held-out file, and write the ledger beside them.

    Rows go to a side by chance, a customer's all to the same. An independent fair coin decides of each canary
    whether it is put into the training file, as a row at a random place. All other rows are written as they
    are, in their order; of texts that stand more than once a note is made, as the audit compares none of them. The
    file is streamed: 8 bytes a row are held.

    Parameters
    ----------
    path, out, held_out_path
        What is read, the training file and the held-out file: all of one kind (JSON lines, CSV, parquet).
    layout
        Which column holds what, from :func:`~audit.privacy.records.find_layout`.
    ledger_path
        The ledger; keep it from whoever trains. It names the other two by their path from its own folder.
    canaries, references
        Canaries with a coin, and references that nobody ever plants: the same kind of text, to rank canaries among.
    form
        What they say, see :func:`~audit.privacy.planting.load_form`.
    held_out
        Share of customers (of rows, where they are split by record) that is kept from the training.
    split
        "customer" or "record". Without a customer column, and for a row without a customer, it is by record.
    repeats
        Rows of each planted canary. Above 1, ε of a record cannot be bounded: that would be group privacy.
    guesses
        How many canaries will be guessed as planted and as not; if None what
        :func:`~audit.privacy.attacks.one_run.guesses_for` says of so many.
    delta
        The δ at which ε is to be read, if that is fixed beforehand too.
    people
        Who the canaries name; :func:`~audit.privacy.planting.people_of` the locale if None.
    seed
        Draws the same plant again. None draws from the operating system, as an audit of ε must: a seed that
        whoever trains knows gives the coins away and voids ε.
    overwrite
        Write over files that are there.
    on_bad
        "fail" stops at a line that is no row, "skip" leaves it out and counts it. A row without a text is no
        bad line: it goes to its side as it is.

    Returns
    -------
    Ledger
        As written; its ``notes`` are what a person should know.

    Raises
    ------
    ConfigError
        If something asked for cannot be had. Nothing is written then.
    """
    path, out, held_out_path, ledger_path = map(Path, (path, out, held_out_path, ledger_path))
    k_in, k_out = guesses_for(canaries) if guesses is None else guesses
    _check_numbers(canaries, references, held_out, repeats, k_in, k_out, delta)
    _check_words(split, layout)
    check_places(path, (out, held_out_path, ledger_path), overwrite=overwrite)
    for target in (out, held_out_path):
        if kind_of(target) != kind_of(path):
            raise ConfigError(f"{target}: must be of the same kind as {path.name}; give it the same ending")
    said, names = load_form(locale, form), people_of(locale) if people is None else people
    everyone = make_canaries(canaries + references, locale=locale, form=said, people=names, seed=seed)
    coined = toss(everyone[:canaries], seed)

    sides, problems = draw_sides(layout, split, held_out, seed), Problems()
    found = survey(path, layout, sides, on_bad=on_bad, problems=problems)
    _check_sides(path, found)
    chat = None
    if layout.turns is not None:
        user, assistant = found.roles or _ROLES
        chat = Chat(user=user, assistant=assistant, reply=said.reply)
    inserted = [canary for canary in coined if canary.inserted]
    places = scatter(planted_rows(inserted, repeats, layout, found, source(seed, "ids")), found.rows[0], seed)
    kept = Kept(path, sides, found, on_bad)

    with together(out, held_out_path, ledger_path) as (training, aside, secret):
        columns = None if kind_of(path) == "json" else columns_of(path)
        write_rows(training, with_canaries(kept.training(), places, layout, chat), columns, like=path)
        write_rows(aside, kept.held_out(), columns, like=path)
        kept.check()
        for written in (training, aside):
            shutil.copymode(path, written)
        ledger = Ledger(
            evenhand=metadata.version("evenhand"),
            created=now(),
            locale=locale,
            form=form,
            space=said.space,
            seed=seed,
            split=split,
            repeats=repeats,
            guesses=Guesses(k_in=k_in, k_out=k_out),
            group_guesses=group_guesses(Guesses(k_in=k_in, k_out=k_out), coined),
            delta=delta,
            layout=layout,
            chat=chat,
            training=_file(training, out, ledger_path, found.records[0]),
            held_out=_file(aside, held_out_path, ledger_path, found.records[1]),
            canaries=coined,
            references=everyone[canaries:],
            notes=(),
        )
        notes = (*problems_of(path, problems), *notes_on(ledger, found, held_out), *copied(path, layout))
        ledger = ledger.model_copy(update={"notes": notes})
        write_ledger(ledger, secret)
    return ledger


def plant_by(
    config: Config,
    path: Path,
    out: Path,
    *,
    held_out_path: Path | None = None,
    ledger_path: Path | None = None,
    **options: Any,
) -> Ledger:
    """Plant as ``config`` says of layout, columns, locale, names and bad lines; ``options`` are those of :func:`plant`.

    Held-out file and ledger lie beside ``out`` unless they are named: train.jsonl goes with train-held-out.jsonl
    and train-ledger.json.
    """
    path, out, privacy, locale = Path(path), Path(out), config.privacy, config.run.locale
    stem = out.name.removesuffix("".join(out.suffixes[-2:] if out.suffix == ".gz" else out.suffixes[-1:]))
    return plant(
        path,
        out,
        layout=find_layout(privacy.layout, path, privacy.columns),
        held_out_path=held_out_path or out.with_name(f"{stem}-held-out{out.name.removeprefix(stem)}"),
        ledger_path=ledger_path or out.with_name(f"{stem}-ledger.json"),
        delta=privacy.claimed_delta,
        locale=locale,
        people=people_of(locale, config),
        on_bad=privacy.on_bad,
        **options,
    )


def toss(canaries: Sequence[Canary], seed: int | None) -> tuple[Canary, ...]:
    """Give each canary a fair coin of its own, independent of all else.

    >>> [canary.inserted for canary in toss([Canary("1", "a 1", "1", {}), Canary("2", "a 2", "2", {})], seed=3)]
    [False, True]
    """
    coins = source(seed, "coins")
    return tuple(replace(canary, inserted=bool(coins.getrandbits(1))) for canary in canaries)


def _check_numbers(
    canaries: int, references: int, held_out: float, repeats: int, k_in: int, k_out: int, delta: float | None
) -> None:
    if canaries < FEWEST:
        raise ConfigError(f"canaries: {canaries} are too few to tell anything; plant at least {FEWEST}")
    if references < 1:
        raise ConfigError(f"references: {references} are too few; exposure needs at least 1, better 1000")
    if not 0 < held_out < 1:
        raise ConfigError(f"held_out: {held_out:g} is no share; give one between 0 and 1, such as 0.1")
    if repeats < 1:
        raise ConfigError(f"repeats: {repeats} is too few; plant each canary at least once")
    if min(k_in, k_out) < 0 or not 1 <= k_in + k_out <= canaries:
        raise ConfigError(f"guesses: {k_in} and {k_out} of {canaries} canaries; guess 1 or more, at most all of them")
    if delta is not None and not 0 <= delta < 1:
        raise ConfigError(f"delta: {delta:g} is none; give one of at least 0 and below 1, such as 1e-5")


def _check_words(split: str, layout: Layout) -> None:
    if split not in ("customer", "record"):
        raise ConfigError(f"split: unknown word {split!r}; known are customer, record")
    if layout.turns is None and not layout.text:
        raise ConfigError("layout: says nowhere which column holds the text; name it")


def _check_sides(path: Path, found: Survey) -> None:
    for count, side, mend in zip(found.records, ("training", "held-out"), ("a smaller", "a larger"), strict=True):
        if not count:
            raise ConfigError(
                f"{path}: no record falls on the {side} side; take {mend} held-out share, or more records"
            )
    for count, side in zip(found.once, ("training", "held-out"), strict=True):
        if not count:
            raise ConfigError(
                f"{path}: every text on the {side} side stands more than once in the file, and could not be told "
                "from its copies; take other records"
            )


def _file(written: Path, final: Path, ledger_path: Path, records: int) -> PlantedFile:
    place = Path(relpath(final.resolve(), ledger_path.resolve().parent)).as_posix()
    return PlantedFile(file=place, sha256=str(file_hash(written)), records=records)
