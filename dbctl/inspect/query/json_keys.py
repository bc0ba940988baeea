"""Which expressions read a value out of JSON or hstore by a key that tells of a secret.

An expression is given as the server writes it in a plan: `(data ->> 'password'::text)`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence

from dbctl.inspect.sensitive.keys import KeyRule
from dbctl.sqltokens import Kind, Token, TokenReader, string_value, words

_BY_KEY = frozenset({"->", "->>", "#>", "#>>"})
_BY_PATH = words(
    "json_extract_path json_extract_path_text jsonb_extract_path jsonb_extract_path_text"
    " json_object_field json_object_field_text jsonb_object_field jsonb_object_field_text"
)
# Each gives values without their keys.
_ALL_VALUES = words(
    "json_each json_each_text jsonb_each jsonb_each_text each svals avals hstore_to_array"
    " hstore_to_matrix"
)
_PATH = re.compile(r"\s*(?:strict\s|lax\s)?\s*\$")
_PATH_PART = re.compile(r'\.\s*(?:"((?:[^"\\]|\\.)*)"|(\w+)|(\*))')
# Of an array of keys: `{a,"b c",0}`.
_ELEMENTS = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"\s][^{},"]*)')
_ANY_KEY = "it may be the value of a key that is masked"
_MEASURES = words("char_length hashtext length md5 octet_length sha256")
_IN_NAMES = (Kind.WORD, Kind.QUOTED)


def hidden_key(tokens: Sequence[Token], rule: KeyRule) -> str | None:
    """Return why the value of an expression is masked by a key in it, None where it is not."""
    return next(_reasons(_without_counts(tokens), rule), None)


def named_secrets(tokens: Sequence[Token], rule: KeyRule) -> bool:
    """Return whether a statement has a text in it that is, or names, a key that is masked."""
    return any(
        rule.may_hide(key)
        for token in tokens
        if token.kind is Kind.STRING
        for key in re.findall(r"\w+", string_value(token.text))
    )


def is_text_of(tokens: Sequence[Token], documents: Container[tuple[str | None, str]]) -> bool:
    """Return whether an expression computes with the text of JSON, which may leave its keys out.

    `documents` are the columns that hold JSON, each with its alias and, alone, with None. The text
    itself keeps its keys, and what measures it or makes a hash of it says nothing.
    """
    if tokens and tokens[0].text in _MEASURES:
        return False
    for at, token in enumerate(tokens):
        if token.text != "::" or at < 2 or tokens[at - 1].text != ")":
            continue
        column = tokens[at - 2]
        is_qualified = at > 3 and tokens[at - 3].text == "."
        alias = tokens[at - 4].text if is_qualified else None
        begin = at - 2 - 2 * is_qualified
        is_cast = begin > 0 and tokens[begin - 1].text == "("
        if column.kind in _IN_NAMES and is_cast and (alias, column.text) in documents:
            return begin > 1 or len(tokens) > at + 3
    return False


def _reasons(tokens: Sequence[Token], rule: KeyRule) -> Iterator[str]:
    for at, token in enumerate(tokens):
        following = tokens[at + 1 : at + 2]
        after = following[0] if following else None
        if token.kind is Kind.SYMBOL and token.text in _BY_KEY:
            yield from _key(tokens[at + 1 :], rule)
        elif token.kind is Kind.SYMBOL and token.text == "[" and _is_subscript(tokens, at):
            if after is not None and after.kind is Kind.STRING:
                yield from _named([string_value(after.text)], rule)
        elif token.kind is Kind.STRING and _PATH.match(string_value(token.text)):
            yield from _in_path(string_value(token.text), rule)
        elif token.kind in _IN_NAMES and after == (Kind.SYMBOL, "("):
            if token.text in _ALL_VALUES:
                yield _ANY_KEY
            elif token.text in _BY_PATH:
                reader = TokenReader(tokens)
                reader.position = at + 1
                yield from _arguments(reader.group(), rule)


def _without_counts(tokens: Sequence[Token]) -> Sequence[Token]:
    if Token(Kind.WORD, "count") not in tokens:
        return tokens
    reader, kept = TokenReader(tokens), []
    while token := reader.peek():
        reader.position += 1
        kept.append(token)
        if token == (Kind.WORD, "count"):
            reader.skip_group()
    return kept


def _key(rest: Sequence[Token], rule: KeyRule) -> Iterator[str]:
    """Yield why what an operator reads is masked, by what stands behind it."""
    if " ".join(token.text for token in rest[3:7]).startswith((") is null", ") is not null")):
        return
    kept = [token for token in rest[:3] if token.text not in {"(", "-"}]
    match kept:
        case [Token(Kind.STRING, text), *_]:
            yield from _named(_elements(string_value(text)), rule)
        case [Token(Kind.NUMBER, _), *_]:  # of an array
            pass
        case _:
            yield _ANY_KEY


def _arguments(group: Sequence[Token], rule: KeyRule) -> Iterator[str]:
    texts = [string_value(token.text) for token in group if token.kind is Kind.STRING]
    if not texts:
        yield _ANY_KEY
    yield from _named([key for text in texts for key in _elements(text)], rule)


def _in_path(path: str, rule: KeyRule) -> Iterator[str]:
    for quoted, word, star in _PATH_PART.findall(path):
        if star or word == "keyvalue":
            yield _ANY_KEY
        else:
            yield from _named([quoted or word], rule)


def _named(keys: Sequence[str], rule: KeyRule) -> Iterator[str]:
    for key in keys:
        if rule.may_hide(key):
            yield f"its key {key!r} tells of a secret"


def _elements(text: str) -> list[str]:
    """Return a key, or the keys in the text of an array of them."""
    return [text, *(quoted or plain for quoted, plain in _ELEMENTS.findall(text))]


def _is_subscript(tokens: Sequence[Token], at: int) -> bool:
    """Return whether the bracket at `at` follows a value, and does not begin an array."""
    if not at:
        return False
    before = tokens[at - 1]
    if before.kind is Kind.WORD:
        return before.text != "array"
    return before.kind is Kind.QUOTED or before.text in {")", "]"}
