"""SQL as PostgreSQL's own scanner cuts it up, and a reader that walks over the pieces."""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    """What a token is; only a WORD can be a keyword."""

    WORD = auto()
    QUOTED = auto()
    STRING = auto()
    NUMBER = auto()
    SYMBOL = auto()


class Token(NamedTuple):
    """A token; `text` is folded to lower case for a WORD, without its quotes for a QUOTED."""

    kind: Kind
    text: str


class Piece(NamedTuple):
    """A token, and where in the text it begins and ends."""

    token: Token
    start: int
    end: int


# Quotes that are never closed reach to the end: a statement must not appear inside of them.
_TOKEN = re.compile(
    r"""
      (?P<SPACE>   [ \t\n\r\f\v]+ | --[^\n\r]* )
    | (?P<COMMENT> /\* )
    # Continued on another line it is one string: a backslash still escapes there.
    | (?P<STRING>  [eE] ' (?: [^'\\] | \\. | '' )*+ (?: ' | \\?\Z )
                   (?: [ \t\f\v]* (?: --[^\n\r]* )? [\n\r]
                       (?: [ \t\n\r\f\v]+ | --[^\n\r]* [\n\r] )*+
                       ' (?: [^'\\] | \\. | '' )*+ (?: ' | \\?\Z ) )*+
                 | (?: [bBxXnN] | [uU]& )? ' (?: [^'] | '' )*+ (?: ' | \Z )
                 | \$ (?P<tag> (?: [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]* )? ) \$
                   .*? (?: \$ (?P=tag) \$ | \Z ) )
    | (?P<QUOTED>  (?: [uU]& )? " (?: [^"] | "" )*+ (?: " | \Z ) )
    | (?P<WORD>    [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* )
    | (?P<NUMBER>  (?: [0-9][0-9_]*\.?[0-9]* | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? [A-Za-z0-9_]* )
    | (?P<SYMBOL>  :: | (?: (?! -- | /\* ) [-+*/<>=~!@\#%^&|`?] )+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN_NAME = re.compile(r"[a-z_\x80-\U0010ffff][a-z0-9_$\x80-\U0010ffff]*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_NOT_STANDARD = re.compile(r"[~!@#%^&|`?]")
_UPPER = re.compile("[A-Z]+")
_UNICODE_ESCAPE = re.compile(r"\\(?:(\\)|\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4}))")
_CLOSING = {"(": ")", "[": "]"}


def tokenize(sql: str) -> Iterator[Token]:
    """Yield the tokens of `sql` without blanks and comments, as `pieces` finds them."""
    return (piece.token for piece in pieces(sql))


def pieces(sql: str) -> Iterator[Piece]:
    """Yield the tokens of `sql` with their places, without blanks and comments.

    Any text can be cut up. Strings are read as with standard_conforming_strings = on, Unicode
    escapes without UESCAPE.
    Source: PostgreSQL docs, Lexical Structure, and src/backend/parser/scan.l.
    """
    position = 0
    while match := _TOKEN.match(sql, position):
        start, position = match.span()
        match match.lastgroup:
            case "COMMENT":
                position = _end_of_comment(sql, position)
            case "WORD":
                yield Piece(Token(Kind.WORD, _fold(match[0])), start, position)
            case "QUOTED":
                yield Piece(Token(Kind.QUOTED, _unquote(match[0])), start, position)
            case "SYMBOL":
                position = start + _operator_length(match[0])
                yield Piece(Token(Kind.SYMBOL, sql[start:position]), start, position)
            case "STRING" | "NUMBER" as kind:
                yield Piece(Token(Kind[kind], match[0]), start, position)


def statements(sql: str) -> Iterator[str]:
    """Yield the statements of a text, each without the semicolon that ends it.

    Those in a function body that is not a string, BEGIN ATOMIC … END, are part of its statement.
    """
    start: int | None = None
    end = depth = 0
    is_atomic = False
    before: str | None = None
    for token, begins, ends in pieces(sql):
        word = token.text if token.kind is Kind.WORD else None
        if token == (Kind.SYMBOL, ";") and depth == 0:
            if start is not None:
                yield sql[start:end]
            start, before, is_atomic = None, None, False
            continue
        if word == "atomic" and before == "begin":
            is_atomic, depth = True, 1
        elif is_atomic and depth and word == "case":
            depth += 1
        elif is_atomic and depth and word == "end":
            depth -= 1
        start = begins if start is None else start
        end, before = ends, word
    if start is not None:
        yield sql[start:end]


def _end_of_comment(sql: str, position: int) -> int:
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(sql, position)):
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return len(sql) if depth else position


def _operator_length(symbol: str) -> int:
    """Return how much of a symbol is one operator: `*-` is two, and `@-` is one.

    Only one that has a character which no operator of standard SQL has may end in a sign.
    """
    length = len(symbol)
    while length > 1 and symbol[length - 1] in "+-" and not _NOT_STANDARD.search(symbol, 0, length):
        length -= 1
    return length


def _fold(word: str) -> str:
    # Not str.lower: the server leaves letters beyond ASCII as they are.
    return _UPPER.sub(lambda letters: letters[0].lower(), word)


def _unquote(quoted: str) -> str:
    prefix, _, rest = quoted.partition('"')
    name = rest.removesuffix('"').replace('""', '"')
    return _UNICODE_ESCAPE.sub(_unescape, name) if prefix else name


def _unescape(escape: re.Match[str]) -> str:
    code = int(escape[2] or escape[3] or "5c", 16)
    return chr(code) if code <= 0x10FFFF else escape[0]


def string_value(written: str) -> str:
    """Return what a string token stands for; the escapes of E'…' are left as they are written."""
    if written.startswith("$"):
        tag = written[: written.index("$", 1) + 1]
        return written.removeprefix(tag).removesuffix(tag)
    _, _, rest = written.partition("'")
    return rest.removesuffix("'").replace("''", "'")


class TokenReader:
    """A position in a statement, moved forward by what is asked for and found."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.position = 0

    @property
    def rest(self) -> Sequence[Token]:
        """The tokens from here on."""
        return self.tokens[self.position :]

    def peek(self, ahead: int = 0) -> Token | None:
        """Return the token at `ahead` places from here, None past the end."""
        place = self.position + ahead
        return self.tokens[place] if place < len(self.tokens) else None

    def at(self, *words: str) -> bool:
        """Say whether keywords or symbols come next, in this order."""
        return all(
            (token := self.peek(ahead)) is not None
            and token.text == word
            and token.kind in (Kind.WORD, Kind.SYMBOL)
            for ahead, word in enumerate(words)
        )

    def accept(self, *words: str) -> bool:
        """Step over keywords or symbols if they come next, and say whether they did."""
        found = self.at(*words)
        if found:
            self.position += len(words)
        return found

    def accept_any(self, *words: str) -> bool:
        """Step over each of the words that comes next, and say whether one did."""
        start = self.position
        while any(self.accept(word) for word in words):
            pass
        return self.position > start

    def seek(self, *words: str) -> bool:
        """Step behind the next place where the words stand outside brackets; False if none."""
        start, depth = self.position, 0
        while token := self.peek():
            if depth == 0 and self.accept(*words):
                return True
            depth += _depth_change(token)
            self.position += 1
        self.position = start
        return False

    def has(self, *words: str) -> bool:
        """Say whether the words stand outside brackets anywhere from here on."""
        return TokenReader(self.rest).seek(*words)

    def name(self) -> str | None:
        """Return the name that comes next, qualified or not, quoted where it must be."""
        parts = self.name_parts()
        return ".".join(map(quote, parts)) if parts else None

    def name_parts(self) -> list[str]:
        """Return the parts of the name that comes next, empty if none does."""
        parts: list[str] = []
        while (token := self.peek()) and token.kind in (Kind.WORD, Kind.QUOTED):
            parts.append(token.text)
            self.position += 1
            if not self.accept("."):
                break
        return parts

    def names(self) -> list[str]:
        """Return the names that come next, with commas between; ONLY, `*` and columns left out."""
        return [name for name, _ in self.tables()]

    def tables(self) -> list[tuple[str, bool]]:
        """Return the names that come next, with commas between, and whether ONLY is before each."""
        found: list[tuple[str, bool]] = []
        while True:
            only = self.accept("only")
            if name := self.name():
                found.append((name, only))
            self.accept("*")
            self.skip_group()
            if not self.accept(","):
                return found

    def skip_group(self) -> None:
        """Step over a pair of brackets with all that is in it, if it comes next."""
        if self.at("(") or self.at("["):
            self.group()

    def group(self) -> list[Token]:
        """Return what is in the brackets that come next, and step over them."""
        start, depth = self.position + 1, 0
        while token := self.peek():
            self.position += 1
            depth += _depth_change(token)
            if depth == 0:
                return list(self.tokens[start : self.position - 1])
        return list(self.tokens[start:])

    def split(self, symbol: str = ",") -> Iterator["TokenReader"]:
        """Yield a reader for each part from here on, cut at a symbol outside brackets."""
        start, depth = self.position, 0
        for place in range(start, len(self.tokens)):
            token = self.tokens[place]
            depth += _depth_change(token)
            if depth == 0 and token == (Kind.SYMBOL, symbol):
                yield TokenReader(self.tokens[start:place])
                start = place + 1
        yield TokenReader(self.tokens[start:])


def _depth_change(token: Token) -> int:
    if token.kind is not Kind.SYMBOL:
        return 0
    return (token.text in _CLOSING) - (token.text in _CLOSING.values())


def words(text: str) -> frozenset[str]:
    """Return the words of a text, to write a long set of them legibly."""
    return frozenset(text.split())


def quote(name: str) -> str:
    """Return a name as it must be written, quoted only where it needs to be."""
    if _PLAIN_NAME.fullmatch(name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


# Source: PostgreSQL docs, SQL Key Words: what cannot be the name of a table.
RESERVED = words(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check
    collate collation column concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign freeze from full grant group having ilike
    in initially inner intersect into is isnull join lateral leading left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
    references returning right select session_user similar some symmetric system_user table
    tablesample then to trailing true union unique user using variadic verbose when where window
    with
    """
)
