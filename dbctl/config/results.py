"""What resolving the settings returns."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from dbctl.results import Result

type Purpose = Literal["reads", "migrations"]


class Setting(Result):
    """One setting: its environment variable, its value with secrets masked, and its source."""

    name: str
    value: str | bool | int | float | None
    source: str


class Route(Result):
    """Where one kind of work connects to; `url` holds no password."""

    purpose: Purpose
    kind: Literal["direct", "pooled", "embedded"]
    url: str
    origin: str


class Config(Result):
    """The settings that hold for a project, and where its work will go.

    `branch` is that of the embedded server, and `branch_origin` what chose it; None where another
    database is named.
    """

    project: Path
    settings: tuple[Setting, ...]
    routes: tuple[Route, ...]
    branch: str | None = None
    branch_origin: str | None = None

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the settings, and the routes as if they were some."""
        routes = [
            Setting(name=route.purpose, value=route.url, source=f"{route.kind} ({route.origin})")
            for route in self.routes
        ]
        return [row.model_dump() for row in (*self.settings, *routes)]
