"""What TAB offers for a table or a column: from the cache, without a connection or a setting.

Typer calls these with what stands on the command line; they raise nothing. It leaves out what does
not begin with the word so far: a name that the shell needs quoted comes where there is none yet.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer

from dbctl.db.names import parse_relation, typed
from dbctl.inspect.completion.seen import Seen, last_seen
from dbctl.project import find_project

_PLAIN = re.compile(r"[\w.,:=~-]+", re.ASCII)
# In bash, an operator is a word of its own.
_OPERATOR = re.compile(r"[=<>!~@:]+")

type _Offer = Callable[[typer.Context, str], list[str]]


def _quietly(offer: _Offer) -> _Offer:
    """Return `offer` without its errors, which would stand in the middle of a command line."""

    def quiet(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return [word for text in offer(ctx, incomplete) for word in _for_shell(text)]
        except Exception:
            return []

    return quiet


@_quietly
def tables(_ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer tables and views, with their schema where that is not the default one."""
    seen = _seen()
    labels = []
    for schema, name in seen.relations:
        is_short = schema == seen.default and not incomplete.startswith(f"{typed(schema)}.")
        labels.append(typed(name) if is_short else f"{typed(schema)}.{typed(name)}")
    return _beginning(labels, incomplete)


@_quietly
def columns(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer columns of the table, after a comma too; none twice."""
    before, comma, last = incomplete.rpartition(",")
    chosen = {part.partition(":")[0] for part in before.split(",")}
    offered = [name for name in _columns(ctx) if name not in chosen]
    return [f"{before}{comma}{name}" for name in _beginning(offered, last)]


@_quietly
def order(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer columns of the table, and then the directions."""
    before, comma, last = incomplete.rpartition(",")
    name, colon, direction = last.partition(":")
    if colon:
        offered = _beginning(["asc", "desc"], direction)
        return [f"{before}{comma}{name}:{word}" for word in offered]
    return [f"{before}{comma}{name}" for name in _beginning(_columns(ctx), last)]


@_quietly
def conditions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the left side of a condition, with an operator where only one column is left."""
    words = _words(incomplete)
    if any(_OPERATOR.fullmatch(word) for word in words[-2:]) or _OPERATOR.search(incomplete):
        return []
    found = _beginning(_columns(ctx), incomplete)
    # Two, so that the shell does not take the word for finished.
    return found if len(found) != 1 else [f"{found[0]}=", f"{found[0]}~"]


def _seen() -> Seen:
    return last_seen(find_project(Path.cwd()))


def _columns(ctx: typer.Context) -> list[str]:
    """Return the columns of the table that the command line names, as a user types them."""
    # An option that lacks its value yet keeps Click from telling arguments apart.
    text = ctx.params.get("name") or next(iter(ctx.args), None)
    if text is None:
        return []
    seen = _seen()
    *schemas, name = parse_relation(text)
    schema = schemas[0].folded if schemas else seen.default
    return [typed(column) for column in seen.relations.get((schema, name.folded), ())]


def _words(incomplete: str) -> list[str]:
    """Return the words up to the cursor as bash splits them; Click hides a "=" that is the last."""
    if "COMP_WORDS" not in os.environ:
        return [incomplete]
    words = os.environ["COMP_WORDS"].split("\n")
    return words[: int(os.environ.get("COMP_CWORD", "0")) + 1]


def _beginning(names: Iterable[str], start: str) -> list[str]:
    return [name for name in names if name.startswith(start)]


def _for_shell(text: str) -> list[Any]:
    """Return a word as the shell of this completion has to get it, nothing where it cannot.

    Fish quotes by itself. What zsh is sent, it evaluates: it gets plain names alone.
    """
    if not text.isprintable():
        return []
    shell = os.environ.get("_DBCTL_COMPLETE", "")
    if _PLAIN.fullmatch(text) or shell.endswith("fish"):
        return [text]
    return [] if shell.endswith("zsh") else [shlex.quote(text)]
