"""The comments of a revision that ignore a rule of the linter, and the lines they hold for."""

import ast
import re
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

_COMMENT = re.compile(r"#\s*dbctl:\s*ignore\b\s*(?P<rules>[^:]*)(?::\s*(?P<reason>.*))?", re.DOTALL)
_NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}


@dataclass(slots=True)
class Ignore:
    """One comment at `line`: the rules that it names, why, and the lines that it holds for.

    `lines` is None for the whole revision. It remembers what it was good for.
    """

    line: int
    rules: frozenset[str]
    reason: str
    lines: range | None
    _used: set[str] = field(default_factory=set)

    def covers(self, rule: str, line: int | None) -> bool:
        """Tell whether a finding of `rule` at `line` is to be ignored."""
        here = self.lines is None or (line is not None and line in self.lines)
        if not (self.reason and rule in self.rules and here):
            return False
        self._used.add(rule)
        return True

    def unused(self) -> frozenset[str]:
        """Return the rules that were to be ignored, and not found."""
        return self.rules - self._used if self.reason else frozenset()


def read_ignores(path: Path) -> list[Ignore]:
    """Return the comments `# dbctl: ignore RULE, RULE: REASON` of a file that Python can load.

    One beside or directly above a statement, or inside it, holds for the whole of it however many
    lines it has; one at the level of the module holds for the revision.
    """
    with tokenize.open(path) as stream:
        source = stream.read()
    code = _Code(source)
    return [
        Ignore(
            line=token.start[0],
            rules=frozenset(re.findall(r"[^\s,]+", match["rules"])),
            reason=(match["reason"] or "").strip(),
            lines=code.scope(token),
        )
        for token in code.comments
        if (match := _COMMENT.match(token.string))
    ]


class _Code:
    """The comments of a source, and the statements that they stand beside."""

    def __init__(self, source: str) -> None:
        tokens = list(tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__))
        self.comments = [token for token in tokens if token.type == tokenize.COMMENT]
        self._code = {
            line
            for token in tokens
            if token.type not in _NOT_CODE
            for line in range(token.start[0], token.end[0] + 1)
        }
        self._comment_lines = {token.start[0] for token in self.comments} - self._code
        module = ast.parse(source)
        self._top = module.body
        self._statements = [node for node in ast.walk(module) if isinstance(node, ast.stmt)]

    def scope(self, comment: tokenize.TokenInfo) -> range | None:
        """Return the lines of the statement that the comment belongs to, None for the module."""
        line, column = comment.start
        around = [node for node in self._statements if line in _lines(node)]
        owner = min(around, key=lambda node: len(_lines(node)), default=None)
        if line not in self._code and (owner is None or _is_compound(owner)):
            if owner is None and column == 0:
                return None
            owner = self._below(line)
        if owner is None:
            return range(0)
        at_module_level = owner in self._top and not _is_compound(owner)
        return None if at_module_level else _lines(owner)

    def _below(self, line: int) -> ast.stmt | None:
        """Return the statement that begins on the next line; other comments may lie between."""
        while line in self._comment_lines:
            line += 1
        found = [node for node in self._statements if node.lineno == line]
        return max(found, key=lambda node: len(_lines(node)), default=None)


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _is_compound(node: ast.stmt) -> bool:
    return hasattr(node, "body")
