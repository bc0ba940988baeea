"""Texts that match a simple regular expression: an alphabet for each of their places."""

from __future__ import annotations

import string
from importlib import import_module
from typing import Any

from dbctl.seed.generate.limits import Limits

_PRINTABLE = "".join(map(chr, range(33, 127)))
_CLASSES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_WORD": string.ascii_lowercase + string.ascii_uppercase + string.digits + "_",
    "CATEGORY_SPACE": " ",
}
# How often something is repeated at most where its quantifier sets no end.
_REPEATS = 8


class _Unknown(Exception):
    """The expression has a part that no alphabets can stand for."""


def alphabets_of(pattern: str, limits: Limits, *, widest: bool = False) -> list[str] | None:
    """Return an alphabet per place such that every combination matches; None where none do.

    What may be repeated is so as often as it must, or as it may if `widest`, within the limits of
    length. PostgreSQL's expressions and Python's are the same in what is understood here:
    classes, quantifiers, groups, alternatives (the first one holds) and the two anchors.
    """
    try:
        parsed: Any = import_module("re._parser").parse(pattern)
        places: list[tuple[str, int, int]] = []
        _read(parsed, places)
    except (_Unknown, ValueError, OverflowError, ArithmeticError, LookupError):
        return None
    except Exception as error:  # re.error is whatever the expression is wrong in
        if type(error).__name__ in {"error", "PatternError"}:
            return None
        raise
    # At least once, if that is possible: an empty text is of little use.
    counts = [max(least, min(1, most)) for _, least, most in places]
    longest = limits.max_length if limits.max_length is not None else 1 << 20
    if sum(counts) > longest:
        counts = [least for _, least, _ in places]
    wanted = min(longest, sum(counts) + 10) if widest else limits.min_length
    for place, (alphabet, _, most) in enumerate(places):
        if len(alphabet) > 1 or not widest:
            more = max(min(most - counts[place], wanted - sum(counts)), 0)
            counts[place] += more
    if not limits.min_length <= sum(counts) <= longest or not sum(counts):
        return None
    return [
        alphabet
        for (alphabet, _, _), count in zip(places, counts, strict=True)
        for _ in range(count)
    ]


def _read(parsed: Any, places: list[tuple[str, int, int]]) -> None:
    for operation, argument in parsed:
        match str(operation):
            case "LITERAL":
                places.append((chr(argument), 1, 1))
            case "IN":
                places.append((_class(argument), 1, 1))
            case "ANY":
                places.append((string.ascii_lowercase, 1, 1))
            case "NOT_LITERAL":
                places.append((_without(chr(argument)), 1, 1))
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, inner = argument
                _repeat(int(least), int(most), inner, places)
            case "SUBPATTERN":
                _read(argument[3], places)
            case "BRANCH":
                _read(argument[1][0], places)
            case "AT" if str(argument) in {"AT_BEGINNING", "AT_END"}:
                pass
            case _:
                raise _Unknown


def _repeat(least: int, most: int, inner: Any, places: list[tuple[str, int, int]]) -> None:
    found: list[tuple[str, int, int]] = []
    _read(inner, found)
    if most >= 1 << 16:
        most = least + _REPEATS
    if len(found) == 1:
        alphabet, low, high = found[0]
        places.append((alphabet, least * low, most * high))
    else:  # a group is repeated as often as it must be
        places.extend(found * least)


def _class(items: Any) -> str:
    letters: dict[str, None] = {}
    negated = False
    for operation, argument in items:
        match str(operation):
            case "NEGATE":
                negated = True
            case "LITERAL":
                letters[chr(argument)] = None
            case "RANGE":
                low, high = argument
                letters |= dict.fromkeys(map(chr, range(low, min(high, low + 1000) + 1)))
            case "CATEGORY" if str(argument) in _CLASSES:
                letters |= dict.fromkeys(_CLASSES[str(argument)])
            case _:
                raise _Unknown
    return _without("".join(letters)) if negated else "".join(letters)


def _without(letters: str) -> str:
    left = "".join(letter for letter in _PRINTABLE if letter not in letters)
    if not left:
        raise _Unknown
    return left
