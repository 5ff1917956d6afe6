"""Progress bars that appear late, so that an error at the start comes alone."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PATIENCE = 1.5
"""Seconds without progress after which the bars appear all the same."""


class LateProgress(Progress):
    """Bars with an estimate that appear with the first progress."""

    def __init__(self, console: Console) -> None:
        columns: tuple[ProgressColumn, ...] = (
            TextColumn("{task.description}", markup=False),  # names of people are in it
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("elapsed,"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        super().__init__(*columns, console=console)
        self._appearing = threading.Lock()
        self._over = False
        self._timer = threading.Timer(PATIENCE, self._appear)
        self._timer.daemon = True

    def start(self) -> None:
        """Wait for the first progress."""
        self._timer.start()

    def stop(self) -> None:
        """Draw the bars for the last time, unless they never appeared."""
        self._timer.cancel()
        with self._appearing:
            self._over = True
        if self.live.is_started:
            super().stop()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Advance a bar; all bars appear."""
        super().advance(task_id, advance)
        if advance:
            self._appear()

    def update(  # type: ignore[override]  # the options in use here
        self,
        task_id: TaskID,
        *,
        total: float | None = None,
        completed: float | None = None,
        advance: float | None = None,
        description: str | None = None,
        visible: bool | None = None,
    ) -> None:
        """Update a bar; with progress, all bars appear."""
        super().update(
            task_id, total=total, completed=completed, advance=advance, description=description, visible=visible
        )
        if advance or completed:
            self._appear()

    def _appear(self) -> None:
        with self._appearing:
            if not self._over and not self.live.is_started:
                super().start()
