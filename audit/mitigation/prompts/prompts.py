"""Named system prompts: the cheapest mitigation there is, and one that has to be measured like any other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from audit.config import Strict, parse, read_toml
from audit.errors import ConfigError

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Prompt:
    """A system prompt: its ``name``, in a line what it ``tries``, and its ``text``."""

    name: str
    tries: str
    text: str


class _PromptFile(Strict):
    id: str = Field(min_length=1)
    tries: str
    text: str = Field(min_length=1)


class _PromptsFile(Strict):
    locale: str
    prompts: tuple[_PromptFile, ...] = Field(min_length=1)


def shipped_prompts(locale: str) -> tuple[Prompt, ...]:
    """The prompts that are shipped for a locale, in the order of their file; none where there is no file."""
    path = FOLDER / f"{locale}.toml"
    if not path.is_file():
        return ()
    parsed = parse(_PromptsFile, read_toml(path), str(path))
    return tuple(Prompt(entry.id, entry.tries, entry.text) for entry in parsed.prompts)


def load_prompt(name: str, locale: str) -> str:
    """The text of the prompt ``name``, or of the text file that it is the path of.

    Raises
    ------
    ConfigError
        If there is neither, or the file is empty or cannot be read.
    """
    shipped = {prompt.name: prompt.text for prompt in shipped_prompts(locale)}
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if not _is_path(name):
        known = f"known are {', '.join(shipped)}" if shipped else f"none are shipped for {locale!r}"
        raise ConfigError(f"model.prompt: unknown prompt {name!r}; {known}, or the path of a text file")
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError as error:
        raise ConfigError(f"model.prompt: {path}: there is no such file; check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"model.prompt: {path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"model.prompt: {path}: cannot be read ({error.strerror})") from error
    if not text:
        raise ConfigError(f"model.prompt: {path}: is empty; write the system prompt into it")
    return text


def short_name(name: str) -> str:
    """What a prompt is called in the name of a folder or in a table.

    >>> short_name("equal-treatment"), short_name("prompts/our own.txt")
    ('equal-treatment', 'our-own')
    """
    if not _is_path(name):
        return name
    return "".join(letter if letter.isalnum() else "-" for letter in Path(name).stem).strip("-") or "prompt"


def _is_path(name: str) -> bool:
    return "/" in name or "\\" in name or Path(name).suffix != "" or Path(name).is_file()
