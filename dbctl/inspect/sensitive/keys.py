"""Values inside JSON, hstore and composite types whose key tells of a secret, such as `password`.

Text is bytes in UTF-8. What stays is kept to the byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from dbctl.inspect.masking import MASK, NOTHING_MASKED, Masks
from dbctl.inspect.sensitive.names import holds_sessions

_IN_STRING = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
# All strings, so that one within another is not taken for a key; those of keys have a colon.
_STRINGS = re.compile(rb'"(%s)"(?:\s*+(:))?' % _IN_STRING, re.DOTALL)
# What PostgreSQL itself never writes between a key and its colon.
_BLANK = re.compile(rb'"\s+:')
_BRACKETS = re.compile(rb'"%s(?:"|\Z)|[{}\[\]]' % _IN_STRING, re.DOTALL)
_SCALAR = re.compile(rb'"%s(?:"|\Z)|[^\s,\]}]+' % _IN_STRING, re.DOTALL)
_PAIR = re.compile(rb'"(%s)"=>(NULL|"%s")' % (_IN_STRING, _IN_STRING), re.DOTALL)
_ELEMENT = re.compile(rb'"(%s)"' % _IN_STRING, re.DOTALL)
# Keys within quotes that are escaped however often.
_DEEP_KEY = re.compile(r'([^"]*)"\s*(?::|=>)')
_QUOTES = re.compile(r'[\\"]*"[\\"]*')
_ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})")
# How many keys are remembered: JSON may have a key of its own in every row.
_MOST_KNOWN = 4096
_HIDDEN = f'"{MASK}"'.encode()


@dataclass(frozen=True, slots=True)
class _Key:
    """Which values are hidden under a key, by what they are in JSON."""

    texts: bool
    numbers: bool
    documents: bool


@dataclass(frozen=True)
class KeyRule:
    """Which keys hide their values in a column that is known by the names `columns`.

    `masks` sees a key as the column of a table that is called as the column is.
    """

    masks: Masks
    columns: tuple[str, ...]
    _known: dict[bytes, _Key] = field(default_factory=dict, compare=False, repr=False)

    def hides(self, key: str, type_: str = "text") -> bool:
        """Return whether the value of a type under a key is hidden."""
        return any(self.masks.reason("", name, key, type_) is not None for name in self.columns)

    def may_hide(self, key: str) -> bool:
        """Return whether a value under a key may be hidden, a text or a document."""
        return self.hides(key) or self.hides(key, "jsonb")

    def secret_keys(self, text: bytes) -> list[bytes]:
        """Return the keys in JSON, as they are written, under which something may be hidden."""
        keys = self._read_keys(text)
        return [key for key in keys if (known := self._key(key)).texts or known.documents]

    def may_change(self, lines: bytes) -> bool:
        """Return whether a text that has JSON in it may have something to hide: in doubt it may.

        The quotes may be doubled, as in CSV.
        """
        if b"=>" in lines or b'\\"' in lines or _BLANK.search(lines):
            return True
        parts = (part.rstrip(b'"') for part in lines.split(b'":')[:-1])
        keys = {part[part.rfind(b'"') + 1 :] for part in parts}
        return any((known := self._key(key)).texts or known.documents for key in keys)

    def json(self, text: bytes, secret: Sequence[bytes] | None = None) -> bytes:
        """Return JSON, of which there may be several texts, without the values that are hidden.

        `secret` are its `secret_keys` where they are known.
        """
        if secret is None:
            secret = self.secret_keys(text)
        if not secret:
            return text
        pattern = _pattern(frozenset(secret))
        parts: list[bytes] = []
        start = at = 0
        while match := pattern.search(text, at):
            at = match.end()
            if self._is_hidden(match[1], text[at : at + 1]):
                parts += text[start:at], _HIDDEN
                start = at = end_of_value(text, at)
        return b"".join((*parts, text[start:]))

    def hstore(self, text: bytes) -> bytes:
        """Return the text of an hstore without the values that are hidden."""

        def pair(match: re.Match[bytes]) -> bytes:
            if match[2] == b"NULL" or not self._key(match[1]).texts:
                return match[0]
            return b'"%s"=>%s' % (match[1], _HIDDEN)

        return _PAIR.sub(pair, text)

    def array(self, text: bytes) -> bytes:
        """Return an array of JSON as PostgreSQL writes it without the values that are hidden."""

        def element(match: re.Match[bytes]) -> bytes:
            inner = re.sub(rb"\\(.)", rb"\1", match[1], flags=re.DOTALL)
            masked = self.json(inner)
            return match[0] if masked == inner else b'"%s"' % re.sub(rb'["\\]', rb"\\\g<0>", masked)

        return _ELEMENT.sub(element, text)

    def other(self, text: bytes) -> bytes:
        """Return the text of a type that may have JSON or hstore in it; the mask for all of it.

        A composite value, a domain or an array of them quotes them as often as it is deep.
        """
        if b'"' not in text:
            return text
        plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text.decode(errors="replace"))
        keys = set(_DEEP_KEY.findall(_QUOTES.sub('"', plain)))
        return MASK.encode() if any(map(self.may_hide, keys)) else text

    def _read_keys(self, text: bytes) -> set[bytes]:
        if b'\\"' not in text and not _BLANK.search(text):  # then there is a way twice as fast
            keys = set()
            for part in text.split(b'":')[:-1]:
                at = part.rfind(b'"')
                if at < 0:  # within a string
                    break
                keys.add(part[at + 1 :])
            else:
                return keys
        return {key for key, colon in _STRINGS.findall(text) if colon}

    def _key(self, key: bytes) -> _Key:
        known = self._known.get(key)
        if known is None:
            try:
                name = str(json.loads(b'"%s"' % key))
            except ValueError:  # a control character or half of a text
                name = key.decode(errors="replace")
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            types = ("text", "numeric", "jsonb")
            known = self._known[key] = _Key(*(self.hides(name, type_) for type_ in types))
        return known

    def _is_hidden(self, key: bytes, begin: bytes) -> bool:
        known = self._key(key)
        match begin:
            case b'"':
                return known.texts
            case b"{" | b"[":
                return known.documents
            case b"t" | b"f" | b"n" | b"":  # true, false, null
                return False
            case _:
                return known.numbers


def end_of_value(text: bytes, start: int) -> int:
    """Return where the value in JSON that begins at `start` ends; the text may end before it."""
    if text[start : start + 1] not in (b"{", b"["):
        found = _SCALAR.match(text, start)
        return found.end() if found else start
    depth = 0
    for token in _BRACKETS.finditer(text, start):
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if not depth:
                return token.end()
    return len(text)


@lru_cache(maxsize=64)
def _pattern(keys: frozenset[bytes]) -> re.Pattern[bytes]:
    return re.compile(rb'"(%s)"\s*+:\s*+' % b"|".join(map(re.escape, sorted(keys))))


def key_rule(masks: Masks, columns: tuple[str, ...]) -> KeyRule | None:
    """Return the rule of a column that is known by the names `columns`; None where nothing hides.

    It is one and the same for all columns whose name decides nothing.
    """
    if masks == NOTHING_MASKED:
        return None
    if not (masks.columns or masks.shown or any(map(holds_sessions, columns))):
        return _NAMELESS if masks.by_name else None
    return KeyRule(masks, columns)


_NAMELESS = KeyRule(Masks(), ("",))
