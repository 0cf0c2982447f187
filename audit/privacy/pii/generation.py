"""What a model is asked in order to see whether it tells what it remembers.

No prompt holds personal information: whatever comes out came from the model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pydantic import Field

from audit import tables
from audit.config import Strict, parse, read_toml
from audit.errors import ConfigError
from audit.values import content_hash

SHIPPED: Final = Path(__file__).parent / "prompts"
ROLES: Final = ("system", "user", "assistant")


class _PromptFile(Strict):
    id: str = Field(min_length=1)
    category: str = Field(min_length=1)
    system: str | None = None
    user: str | None = None
    beginning: str | None = Field(None, description="of the answer; without user it is a text of its own")


class _PromptsFile(Strict):
    locale: str
    prompts: tuple[_PromptFile, ...] = Field(min_length=1)


def generation_prompts(locale: str, n: int = 0, path: Path | None = None, seed: int = 0) -> pa.Table:
    """Prompts as a table ``probes``, one row a prompt; how many texts each gives is the number of draws.

    Parameters
    ----------
    n
        How many prompts are drawn of those there are; 0 (or more than there are): all.
    path
        A file of your own in place of the shipped ones: ``.txt`` with one prompt a line,
        each the beginning of a text, or ``.jsonl`` with ``prompt`` or ``messages`` a line.
    seed
        Of the draw.

    Raises
    ------
    ConfigError
        If the file is wrong or empty, or none are shipped for the locale.
    """
    rows = list(_own(path, locale) if path else _shipped(locale))
    if not rows:
        raise ConfigError(f"{path}: there is no prompt in it; write one a line")
    rows = list({row["probe_id"]: row for row in rows}.values())
    if 0 < n < len(rows):
        kept = np.random.default_rng(seed).choice(len(rows), n, replace=False)
        rows = [rows[place] for place in sorted(kept.tolist())]
    return tables.check("probes", tables.from_rows("probes", rows))


def _shipped(locale: str) -> Iterator[dict[str, Any]]:
    path = SHIPPED / f"{locale}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise ConfigError(f"privacy.prompts: none are shipped for {locale!r} (only {known}); name a file of your own")
    for prompt in parse(_PromptsFile, read_toml(path), str(path)).prompts:
        messages = []
        if prompt.system:
            messages.append({"role": "system", "content": prompt.system})
        # A chat template wants a user: one who says nothing stands before the beginning of a bare text.
        messages.append({"role": "user", "content": prompt.user or ""})
        if prompt.beginning:
            messages.append({"role": "assistant", "content": prompt.beginning})
        yield _row(locale, prompt.id, prompt.category, messages)


def _own(path: Path, locale: str) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            messages = _messages(line, f"{path}:{number}") if path.suffix in (".jsonl", ".json") else _bare(line)
            yield _row(locale, f"{path.stem}-{number:04d}", "own", messages)


def _bare(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": ""}, {"role": "assistant", "content": text}]


def _messages(line: str, where: str) -> list[dict[str, str]]:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where}: not JSON ({error}); write one object a line") from error
    if not isinstance(data, dict) or len({"prompt", "messages"} & data.keys()) != 1:
        raise ConfigError(f"{where}: needs either 'prompt' or 'messages'")
    if "prompt" in data:
        if not isinstance(data["prompt"], str) or not data["prompt"].strip():
            raise ConfigError(f"{where}: prompt: must be a text that is not empty")
        return _bare(data["prompt"])
    messages = data["messages"]
    if not isinstance(messages, list) or not messages:
        raise ConfigError(f"{where}: messages: must be a list of role and content")
    for message in messages:
        if not (isinstance(message, dict) and message.get("role") in ROLES and isinstance(message.get("content"), str)):
            raise ConfigError(f"{where}: messages: each needs a role ({', '.join(ROLES)}) and a content")
    turns = [{"role": message["role"], "content": message["content"]} for message in messages]
    # Only the beginning of an answer is no prompt for a chat template.
    return [{"role": "user", "content": ""}, *turns] if turns[0]["role"] == "assistant" else turns


def _row(locale: str, identifier: str, category: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    shown = {"suite": "privacy", "locale": locale, "messages": messages}
    return {
        "probe_id": content_hash(shown),
        "suite": "privacy",
        "task": "privacy",
        "locale": locale,
        "template_id": identifier,
        "category": category,
        "block_id": content_hash(["privacy", locale, identifier], 16),
        "arm": "target",
        "purpose": "audit",
        "persona_id": None,
        "messages": messages,
        "output_form": "text",
        "options": [],
        "gold": None,
    }
