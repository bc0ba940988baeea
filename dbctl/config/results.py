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


class Part(Result):
    """Something that belongs to the project: its name, what it is, where it is, and its source.

    `path` is a file or a folder, which need not exist. `problem` is why it is not known or cannot
    be used, None where there is no reason.
    """

    name: str
    value: str | None = None
    path: Path | None = None
    source: str
    problem: str | None = None

    @property
    def text(self) -> str | None:
        """The value and the path, for people."""
        if self.path is None:
            return self.value
        return f"{self.path} ({self.value})" if self.value else str(self.path)


class Config(Result):
    """The settings that hold for a project, where its work will go, and what it has.

    `branch` is that of the embedded server, and `branch_origin` what chose it; None where another
    database is named.
    """

    project: Path
    settings: tuple[Setting, ...]
    routes: tuple[Route, ...]
    parts: tuple[Part, ...]
    branch: str | None = None
    branch_origin: str | None = None

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the settings, and the routes and the parts as if they were some."""
        routes = [
            Setting(name=route.purpose, value=route.url, source=f"{route.kind} ({route.origin})")
            for route in self.routes
        ]
        parts = [
            Setting(name=part.name, value=part.text or part.problem, source=part.source)
            for part in self.parts
        ]
        return [row.model_dump() for row in (*self.settings, *routes, *parts)]
