"""Other packages' questions about the catalogue, so that they mean the same on any search_path."""

from __future__ import annotations

import re
from functools import lru_cache

from dbctl.sqltokens import Kind, Piece, pieces, words

# Those that SQLAlchemy and asyncpg use where PostgreSQL may have no exact match for the types.
# Arithmetic is on integers, for which it has; with the rest, which bind alike, it keeps its order.
_OPERATORS = frozenset(
    [
        "=",
        "<>",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "~",
        "!~",
        "~*",
        "!~*",
        "~~",
        "!~~",
        "~~*",
        "!~~*",
        "@>",
        "<@",
        "&&",
    ]
)
_FUNCTIONS = words(
    """
    array_agg bool_and bool_or count current_schema current_setting generate_subscripts max min
    string_agg unnest
    """
)
# As SQLAlchemy writes it for pg8000, which sends it without a type; the others have a cast, or
# are a literal of psycopg2's.
_PARAMETER = re.compile(r"\s*%s\s*")
_LIKE = {"like": "~~", "ilike": "~~*"}


@lru_cache(maxsize=256)
def qualified(sql: str) -> str:
    """Return a query with its operators, and the functions that it calls, those of pg_catalog.

    On the path of a session another role may have some that fit the types better.
    """
    found = list(pieces(sql))
    written: list[str] = []
    instead: dict[int, str] = {}
    end = 0
    # What UPDATE assigns is not a comparison.
    assigns = bool(found) and found[0].token.text == "update"
    for at, piece in enumerate(found):
        text = sql[piece.start : piece.end]
        written.append(sql[end : piece.start])
        end = piece.end
        before = found[at - 1].token.text if at else ""
        follows = found[at + 1].token.text if at + 1 < len(found) else ""
        match piece.token:
            case _ if at in instead:
                text = instead[at]
            case (Kind.WORD, "where"):
                assigns = False
            case (Kind.SYMBOL, sign) if sign in _OPERATORS and before != "." and not assigns:
                text = _operator(sign.replace("!=", "<>"))
            case (Kind.WORD, word) if word in _FUNCTIONS and follows == "(" and before != ".":
                # Of several arrays it is not a function: by that name alone the parser knows it.
                if word != "unnest" or not _has_several(found, at + 1):
                    text = f"pg_catalog.{text}"
            case (Kind.WORD, "not") if follows in _LIKE:
                text = ""
            case (Kind.WORD, "not") if follows == "in" and not _is_untyped(sql, found, at + 2):
                text = ""
            case (Kind.WORD, word) if word in _LIKE:
                text = _operator("!" * (before == "not") + _LIKE[word])
                if (escape := _escape(found, at)) is not None:
                    text += "pg_catalog.like_escape("
                    instead[escape] = ","
                    mark = found[escape + 1]
                    instead[escape + 1] = f"{sql[mark.start : mark.end]})"
            case (Kind.WORD, "in") if follows == "(" and not _is_untyped(sql, found, at + 1):
                sign, every = ("<>", "all") if before == "not" else ("=", "any")
                text = f"{_operator(sign)} {every}"
                if found[at + 2].token.text not in {"select", "with"}:
                    instead[at + 1] = "(array["
                    instead[_closing(found, at + 1)] = "])"
        written.append(text)
    return "".join(written) + sql[end:]


def _operator(sign: str) -> str:
    return f" operator(pg_catalog.{sign}) "


def _is_untyped(sql: str, found: list[Piece], opening: int) -> bool:
    """Return whether a list has a parameter without a type, which an array would make a text.

    Such a one takes the type that it is compared with, for which PostgreSQL has an operator.
    """
    if opening >= len(found):
        return False
    inner = sql[found[opening].end : found[_closing(found, opening)].start]
    return any(_PARAMETER.fullmatch(part) for part in inner.split(","))


def _closing(found: list[Piece], opening: int) -> int:
    """Return where the bracket closes that opens at a place."""
    depth = 0
    for at in range(opening, len(found)):
        text = found[at].token.text if found[at].token.kind is Kind.SYMBOL else ""
        depth += (text == "(") - (text == ")")
        if depth == 0:
            return at
    return opening


def _escape(found: list[Piece], like: int) -> int | None:
    """Return where the ESCAPE of a LIKE is; None where it has none.

    The pattern may have brackets of its own, as `%(name)s` of a driver has.
    """
    depth = 0
    for at in range(like + 1, len(found)):
        match found[at].token:
            case (Kind.WORD, "escape") if depth == 0:
                return at
            case (Kind.WORD, "and" | "or") if depth == 0:
                return None
            case (Kind.SYMBOL, "("):
                depth += 1
            case (Kind.SYMBOL, ")"):
                depth -= 1
                if depth < 0:
                    return None
    return None


def _has_several(found: list[Piece], opening: int) -> bool:
    """Return whether a comma stands between the bracket at a place and the one that closes it."""
    depth = 0
    for piece in found[opening : _closing(found, opening)]:
        text = piece.token.text if piece.token.kind is Kind.SYMBOL else ""
        depth += (text in {"(", "["}) - (text in {")", "]"})
        if text == "," and depth == 1:
            return True
    return False
