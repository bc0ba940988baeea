"""Statements of others without what may be anybody's data."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbctl.redaction import scrub
from dbctl.sqltokens import Kind, Piece, Token, pieces

# What stands in place of a constant, and of what cannot be distinguished from one.
CONSTANT = "'…'"
HIDDEN = "…"
# No secret is as short as what is left of the numbers.
_LONG_NUMBER = re.compile(r"(?<!\w)\d[\d_.]{2,}")
_QUOTED = re.compile(r"'(?:[^']|\'\')*(?:'|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)", re.DOTALL)
_PARAMETER = Token(Kind.SYMBOL, "$")
_END = Token(Kind.SYMBOL, ";")


def without_literals(sql: str) -> str:
    """Return a statement without its constants, and the values of settings of one's own.

    Numbers of two digits stay, and comments but for what would be a constant in them. A string with
    a backslash before a quote ends in two ways, by a setting of the session that ran it: all that
    follows is left out.
    """
    parts: list[str] = []
    found = list(pieces(sql))
    values = set(_values_of_settings(found))
    end = 0
    for at, (token, start, stop) in enumerate(found):
        if at in values and at - 1 in values:
            end = stop
            continue
        parts.append(_between(sql[end:start]))
        end = stop
        if at in values:
            parts.append(CONSTANT)
        elif token.kind is Kind.STRING:
            parts.append(CONSTANT)
            if token.text[:1] not in "eE$" and "\\'" in token.text:
                return "".join([*parts, " ", HIDDEN])
        elif token.kind is Kind.NUMBER and (at == 0 or found[at - 1].token != _PARAMETER):
            parts.append(HIDDEN if stop - start > 2 else token.text)
        else:
            parts.append(sql[start:stop])
    return "".join([*parts, _between(sql[end:])])


def _between(gap: str) -> str:
    if not gap.strip():
        return gap
    return scrub(_LONG_NUMBER.sub(HIDDEN, _QUOTED.sub(CONSTANT, gap)))


def _values_of_settings(found: list[Piece]) -> Iterator[int]:
    """Yield the places of what settings with a dot in their name are set to, quoted or not."""
    at = 0
    while at < len(found):
        is_set = found[at].token == (Kind.WORD, "set")
        at += 1
        while at < len(found) and found[at].token.text in {"local", "session"}:
            at += 1
        words = [piece.token.text for piece in found[at : at + 4]]
        if is_set and len(words) == 4 and words[1] == "." and words[3] in {"=", "to"}:
            at += 4
            while at < len(found) and found[at].token != _END:
                yield at
                at += 1
