"""How what is sensitive goes up a plan, from the columns that are read to those of the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dbctl.inspect.query.plan import Node, flatten, inputs, is_aside
from dbctl.sqltokens import Kind, Token, TokenReader, tokenize, words

_NAMES = (Kind.WORD, Kind.QUOTED)
# Before what is no column: a field of a value, the name of a window or of a collation.
_BEFORE_OTHERS = {
    Token(Kind.SYMBOL, "."), Token(Kind.WORD, "over"), Token(Kind.WORD, "collate"),
}  # fmt: skip
# Functions whose result tells nothing of a value.
_TELLS_NOTHING = words("count exists")
# What is no name of a column in an expression that the server wrote.
_SYNTAX = words(
    """
    absent all and any array as asc at between both by case cast collate content cube
    current_catalog current_date current_role current_schema current_time current_timestamp
    current_user cycle desc distinct document else empty end error escape exclude extract false
    filter first following for from group grouping groups hashed ilike in interval is json keys
    last leading like local localtime localtimestamp nfc nfd nfkc nfkd normalize normalized not
    null nulls of on or order ordinality over overlaps overlay partial partition passing placing
    preceding range returning row rows session_user sets similar some symmetric then ties time
    timestamp to trailing true unbounded unique using value values variadic varying when where
    window with within without zone
    """
)
_SUBPLANS = {"subplan": "SubPlan", "initplan": "InitPlan"}
# In place of an alias: a function is called.
_CALL = "()"
_HIDDEN = "it may come from a column that is masked"


@dataclass(frozen=True, slots=True)
class Sensitive:
    """The `columns` of a relation; `reasons` has those that are sensitive."""

    reasons: dict[str, str]
    columns: set[str]

    @property
    def any(self) -> str | None:
        """The reason of one of them, None where none is."""
        return next(iter(self.reasons.values()), None)


class Taint:
    """What is sensitive of what each step of `plan` puts out.

    `relations` says it of each relation that is read, by schema and name, `revealing` of the
    functions whose result is sensitive.
    """

    def __init__(
        self,
        plan: Node,
        relations: Mapping[tuple[str, str], Sensitive],
        revealing: Mapping[str, str],
    ) -> None:
        self._plan = plan
        self._revealing = revealing
        reasons = (*(r.any for r in relations.values()), *revealing.values())
        self._everything = next((reason for reason in reasons if reason), None)
        # By the alias of a step; of a derived one a reason holds for all its columns.
        self._relations: dict[str, Sensitive] = {}
        self._derived: dict[str, str | None] = {}
        self._columns: dict[str, dict[str, str | None]] = {}
        self._subplans: dict[str, str | None] = {}
        # The text of what the first of several inputs puts out, where another one is sensitive.
        self._stained: dict[tuple[Token, ...], str] = {}
        for node in flatten(plan):
            if "Relation Name" in node:
                key = node["Schema"], node["Relation Name"]
                self._relations[node["Alias"]] = relations.get(key, Sensitive({}, set()))
        if self._everything:
            self._settle()

    def outputs(self, count: int) -> list[str | None]:
        """Return for each of the `count` columns of the result why it is sensitive, or None."""
        found = self._outputs(self._plan)[:count]
        if len(found) < count:
            return [next((reason for reason in found if reason), self._everything)] * count
        return found

    def is_column(self, at: int) -> bool:
        """Tell whether a column of the result is one of a relation, and nothing is made of it."""
        texts = self._texts(self._plan)
        if at >= len(texts):
            return False
        tokens = list(tokenize(texts[at]))
        match list(_references(tokens)):
            case [(None, name)]:
                known = any(name in relation.columns for relation in self._relations.values())
                return known and len(tokens) == 1
            case [(alias, _)]:
                return alias in self._relations and len(tokens) == 3
        return False

    def _settle(self) -> None:
        """Look at every step until nothing new is found: a step may refer to any other."""
        before: object = None
        while before != (now := self._state()):
            before = now
            self._visit(self._plan)

    def _state(self) -> object:
        return (
            dict(self._derived),
            {alias: dict(columns) for alias, columns in self._columns.items()},
            dict(self._subplans),
            dict(self._stained),
        )

    def _visit(self, node: Node) -> None:
        for child in node.get("Plans", ()):
            self._visit(child)
        if "Output" not in node:
            self._outputs(node)  # what it stains
        if is_aside(node):
            name = node.get("Subplan Name", "").partition(" (returns ")
            reason = next((found for found in self._outputs(node) if found), None)
            self._subplans[name[0]] = reason
            for returned in name[2].removesuffix(")").split(","):
                self._subplans[returned.strip()] = reason
        if "Alias" in node and "Relation Name" not in node:
            self._derive(node)

    def _derive(self, node: Node) -> None:
        """Note what is sensitive of the columns of a subquery, a CTE, a function, or values."""
        alias = node["Alias"]
        match node["Node Type"]:
            case "Subquery Scan":
                self._rename(node, inputs(node)[0])
            case "CTE Scan":
                self._rename(node, self._named(f"CTE {node['CTE Name']}"))
            case "WorkTable Scan":
                union = self._named(f"CTE {node['CTE Name']}")
                self._derived[alias] = self._any(union) if union else self._everything
            case "Function Scan" | "Table Function Scan":
                call = node.get("Function Call") or node.get("Table Function Call")
                self._derived[alias] = self._reason(call) if call else self._everything
            case _:  # of values, what they are is not told
                self._derived[alias] = self._everything

    def _named(self, name: str) -> Node | None:
        return next((n for n in flatten(self._plan) if n.get("Subplan Name") == name), None)

    def _rename(self, node: Node, source: Node | None) -> None:
        """Note the columns of `node` by those of `source`, where they are the same in number."""
        texts = self._texts(node)
        found = self._outputs(source) if source else []
        names = [_column(text, node["Alias"]) for text in texts]
        if len(found) == len(names) and all(names):
            self._columns[node["Alias"]] = dict(zip(map(str, names), found, strict=True))
        self._derived[node["Alias"]] = self._any(source) if source else self._everything

    def _any(self, node: Node) -> str | None:
        return next((reason for reason in self._outputs(node) if reason), None)

    def _texts(self, node: Node) -> Sequence[str]:
        """Return what a step puts out; one that only passes on, what its first input does."""
        while "Output" not in node and inputs(node):
            node = inputs(node)[0]
        texts: list[str] = node.get("Output", [])
        return texts

    def _outputs(self, node: Node) -> list[str | None]:
        """Return for each column that a step puts out why it is sensitive, or None."""
        if "Output" in node:
            return [self._reason(text) for text in node["Output"]]
        several = [self._outputs(child) for child in inputs(node)]
        if not several:
            return []
        joined = [
            next((reason for reason in column if reason), None)
            for column in zip(*several, strict=False)
        ]
        for text, reason, first in zip(self._texts(node), joined, several[0], strict=False):
            if reason and not first:
                self._stained[tuple(tokenize(text))] = reason
        return joined

    def _reason(self, text: str) -> str | None:
        """Say why the value of an expression is sensitive, None where it is not."""
        if not self._everything:
            return None
        tokens = list(tokenize(text))
        for stained, reason in self._stained.items():
            length = len(stained)
            if any(tuple(tokens[at : at + length]) == stained for at in range(len(tokens))):
                return reason
        return next((r for r in map(self._of, _references(tokens)) if r), None)

    def _of(self, reference: tuple[str | None, str]) -> str | None:
        alias, column = reference
        if alias is None:
            return self._bare(column)
        if alias == _CALL:
            return self._revealing.get(column)
        if alias in _SUBPLANS.values() or alias == "$":
            name = f"{alias}{column}" if alias == "$" else f"{alias} {column}"
            return self._subplans.get(name)
        if column == "*":
            return self._whole(alias)
        if relation := self._relations.get(alias):
            return relation.reasons.get(column)
        if column in self._columns.get(alias, {}):
            return self._columns[alias][column]
        return self._derived.get(alias, self._everything)

    def _whole(self, alias: str) -> str | None:
        relation = self._relations.get(alias)
        return relation.any if relation else self._derived.get(alias, self._everything)

    def _bare(self, column: str) -> str | None:
        """Say it of a name alone, which the server writes where only one relation is read."""
        relations = self._relations.values()
        if any(column in relation.columns for relation in relations):
            return next((r.reasons[column] for r in relations if column in r.reasons), None)
        return None if column in _SYNTAX else _HIDDEN


def _column(text: str, alias: str) -> str | None:
    """Return the column that an expression is, if it is one of `alias` and nothing else."""
    tokens = list(tokenize(text))
    found = list(_references(tokens))
    is_plain = len(tokens) == 3 and len(found) == 1 and found[0][0] == alias
    return found[0][1] if is_plain else None


def _references(tokens: Sequence[Token]) -> Iterator[tuple[str | None, str]]:
    """Yield what an expression reads: alias and column, None and a name, a subplan, a function.

    What tells nothing of a value is left out: count(…), EXISTS, IS NULL.
    """
    reader = TokenReader(tokens)
    while token := reader.peek():
        if token.text == "$" and token.kind is Kind.SYMBOL:
            number = reader.peek(1)
            reader.position += 2
            yield "$", number.text if number else ""
        elif reader.accept("::"):
            _skip_type(reader)
        elif token.kind in _NAMES:
            yield from _reference(reader)
        else:
            reader.position += 1


def _reference(reader: TokenReader) -> Iterator[tuple[str | None, str]]:
    """Step over the name that comes next, and yield it if it is one of what is read."""
    first, before = reader.peek(), reader.peek(-1) if reader.position else None
    is_word = first is not None and first.kind is Kind.WORD
    parts = reader.name_parts()
    if reader.at("("):
        if is_word and len(parts) == 1 and parts[0] in _TELLS_NOTHING:
            reader.skip_group()
        elif is_word and parts == ["extract"]:
            reader.position += 2
        else:
            yield _CALL, parts[-1]
        return
    after = reader.peek()
    if is_word and parts[0] in _SUBPLANS and after is not None and after.kind is Kind.NUMBER:
        reader.position += 1
        yield _SUBPLANS[parts[0]], after.text
        return
    if reader.at("*") and reader.tokens[reader.position - 1].text == ".":
        reader.position += 1
        yield parts[0], "*"
        return
    if before in _BEFORE_OTHERS:
        return
    if reader.at("is", "null") or reader.at("is", "not", "null"):
        return
    yield (parts[0], parts[1]) if len(parts) > 1 else (None, parts[0])


def _skip_type(reader: TokenReader) -> None:
    """Step over the name of a type, as the server writes it behind a cast."""
    reader.name_parts()
    while reader.accept_any("precision", "varying", "with", "without", "time", "zone") or (
        reader.at("(") or reader.at("[")
    ):
        reader.skip_group()
