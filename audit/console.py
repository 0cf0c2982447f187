"""Progress on stderr, by rich; plain lines where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console as Rich
from rich.progress import BarColumn, Progress, TaskID, TextColumn

# Seconds between two lines where there is no terminal to draw on.
QUIET_SECONDS = 15.0


class Console:
    """An :class:`audit.progress.Progress` for people; use as a context."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.rich = Rich(stderr=True, highlight=False)
        self.drawn = self.rich.is_terminal and not quiet
        columns = (
            TextColumn("{task.description:<9}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}  {task.fields[note]}"),
        )
        self.bar = Progress(*columns, console=self.rich, transient=True, disable=not self.drawn)
        self.task: TaskID | None = None
        self.stage, self.total, self.said = "", 0, 0.0

    def __enter__(self) -> Console:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def begin(self, stage: str, total: int) -> None:
        """Start the line of ``stage``."""
        self._drop()
        self.stage, self.total, self.said = stage, total, time.monotonic()
        self.task = self.bar.add_task(stage, total=total or None, note="")

    def advance(self, done: int, note: str, left: float | None) -> None:
        """Move the bar; without a terminal say it now and then."""
        words = f"{note}, about {_clock(left)} left" if left is not None else note
        if self.task is not None:
            self.bar.update(self.task, completed=done, note=words)
        if not self.drawn and not self.quiet and time.monotonic() - self.said > QUIET_SECONDS:
            self.said = time.monotonic()
            print(f"{self.stage} {done}/{self.total} {words}", file=sys.stderr, flush=True)

    def end(self, stage: str, seconds: float, skipped: bool) -> None:
        """Leave one line that says what the stage took."""
        self._drop()
        if not self.quiet:
            self._line(f"{stage:<9} {'unchanged' if skipped else _clock(seconds)}")

    def warn(self, message: str) -> None:
        """Print one line."""
        if not self.quiet:
            self._line(f"note: {message}")

    def _line(self, text: str) -> None:
        self.rich.print(text, markup=False, soft_wrap=True)

    def _drop(self) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = None


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
