"""How what is sensitive goes up a plan, from the columns that are read to those of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dbctl.inspect.query.expressions import CALL, FIELD, SUBPLANS, is_plain, references
from dbctl.inspect.query.json_keys import hidden_key, is_text_of
from dbctl.inspect.query.plan import (
    Node,
    flatten,
    inputs,
    is_aside,
    is_derived,
    relations_of,
    subplan_names,
)
from dbctl.inspect.sensitive.keys import KeyRule
from dbctl.sqltokens import Token, TokenReader, tokenize, words

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
# What a step that calls a function says of it.
_CALLS = ("Function Call", "Table Function Call")
_SYSTEM_COLUMNS = words("cmax cmin ctid tableoid xmax xmin")
_HIDDEN = "it may come from a column that is masked"


@dataclass(frozen=True, slots=True)
class Sensitive:
    """The `columns` of a relation; `reasons` has those that are sensitive.

    `harmless` has the fields of such columns that are not, each with its column; `documents` are
    the columns that hold JSON.
    """

    reasons: dict[str, str]
    columns: set[str]
    harmless: set[tuple[str, str]] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)

    @property
    def any(self) -> str | None:
        """The reason of one of them, None where none is."""
        return next(iter(self.reasons.values()), None)

    def reason(self, column: str) -> str | None:
        """Return why a column, or a field of one, is sensitive, None where it is not."""
        base, _, part = column.partition(FIELD)
        return None if (base, part) in self.harmless else self.reasons.get(base)


class Taint:
    """What is sensitive of what each step of `plan` puts out.

    `relations` says it of each relation that is read, by schema and name, `revealing` of the
    functions whose result is sensitive, `columns_of` of columns of those that return rows; `unseen`
    is the reason of those whose call a plan does not show. `names` has the columns of subqueries
    and CTEs. With `plain_values`, VALUES say nothing. `rule` says which keys of JSON are masked.
    """

    def __init__(
        self,
        plan: Node,
        relations: Mapping[tuple[str, str], Sensitive],
        *,
        revealing: Mapping[str, str],
        columns_of: Mapping[str, Mapping[str, str | None]],
        unseen: str | None,
        names: Mapping[str, Sequence[str]],
        plain_values: bool,
        rule: KeyRule | None,
    ) -> None:
        self._plan = plan
        self._revealing = revealing
        self._columns_of = columns_of
        self._unseen = unseen
        self._names = names
        self._plain_values = plain_values
        self._rule = rule
        self._documents: set[tuple[str | None, str]] = set()
        # Functions that make columns of the keys of JSON.
        self._records: set[str] = set()
        reasons = (*(r.any for r in relations.values()), *revealing.values(), unseen)
        self._everything = next((reason for reason in reasons if reason), None)
        # By the alias of a step; of a derived one a reason holds for all its columns.
        self._relations: dict[str, Sensitive] = {}
        self._derived: dict[str, str | None] = {}
        self._columns: dict[str, dict[str, str | None]] = {}
        self._subplans: dict[str, str | None] = {}
        # The text of what the first of several inputs puts out, where another one is sensitive.
        self._stained: dict[tuple[Token, ...], str] = {}
        for node in flatten(plan):
            for schema, name, known_as in relations_of(node):
                found = relations.get((schema, name), Sensitive({}, set()))
                self._relations[known_as] = found
                self._documents |= {(a, c) for c in found.documents for a in (known_as, None)}
            if is_derived(node):  # nothing, until something is found
                self._derived[node["Alias"]] = None
            if is_aside(node):
                self._subplans.update(dict.fromkeys(subplan_names(node)))
            if is_derived(node) and "json" in str(node.get("Function Call", "")):
                self._records.add(node["Alias"])
        self._everything = self._everything or self._keyed()
        if self._everything:
            self._settle()

    def _keyed(self) -> str | None:
        """Return why something in the plan is masked by a key of JSON, None where nothing is."""
        for node in flatten(self._plan):
            texts = [*node.get("Output", ()), *filter(None, map(node.get, _CALLS))]
            for text in texts:
                if reason := self._by_key(list(tokenize(text))):
                    return reason
        return None

    def _by_key(self, tokens: Sequence[Token]) -> str | None:
        if self._rule is None:
            return None
        if reason := hidden_key(tokens, self._rule):
            return reason
        if is_text_of(tokens, self._documents):
            return "it is made of the text of JSON"
        for alias, column in references(tokens) if self._records else ():
            if (alias is None or alias in self._records) and self._rule.may_hide(column):
                return f"its name, {column!r}, tells of a secret"
        return None

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
        match list(references(tokens)):
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
            reason = self._any(node)
            self._subplans.update(dict.fromkeys(subplan_names(node), reason))
        if is_derived(node):
            self._derive(node)

    def _derive(self, node: Node) -> None:
        """Note what is sensitive of the columns of a subquery, a CTE, a function, or values."""
        alias = node["Alias"]
        match node["Node Type"]:
            case "Subquery Scan":
                self._rename(alias, alias, inputs(node)[0])
            case "CTE Scan" | "WorkTable Scan":
                name = node["CTE Name"]
                self._rename(alias, name, self._named(f"CTE {name}"))
            case "Function Scan" if found := self._columns_of.get(node.get("Function Name", "")):
                names = [TokenReader(list(tokenize(one))).name_parts() for one in node["Output"]]
                # Under names of one's own, each of them may be any.
                if all(name and name[-1] in found for name in names):
                    self._columns[alias] = dict(found)
                self._derived[alias] = next(filter(None, found.values()), None)
            case "Function Scan" | "Table Function Scan":
                call = next(filter(None, map(node.get, _CALLS)), None)
                reason = self._reason(call) if call else self._everything
                self._derived[alias] = reason
                names = [
                    TokenReader(list(tokenize(one))).name_parts()[-1:] for one in node["Output"]
                ]
                if all(name in (["key"], ["value"]) for name in names):
                    self._columns[alias] = {"key": None, "value": reason}
            case "Values Scan" if self._plain_values:
                pass
            case _:  # of values, what they are is not told
                self._derived[alias] = self._everything

    def _named(self, name: str) -> Node | None:
        """Return the only CTE of a name; which one is read where there are two is not told."""
        found = [node for node in flatten(self._plan) if node.get("Subplan Name") == name]
        return found[0] if len(found) == 1 else None

    def _rename(self, alias: str, name: str, source: Node | None) -> None:
        """Note the columns of a subquery or CTE by what `source` puts out, in their order."""
        found = self._outputs(source) if source else []
        names = self._names.get(name, ())
        if names and len(found) >= len(names):
            self._columns[alias] = dict(zip(names, found, strict=False))
        self._derived[alias] = self._any(source) if source else self._everything

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
        if reason := self._by_key(tokens):
            return reason
        for stained, reason in self._stained.items():
            length = len(stained)
            if any(tuple(tokens[at : at + length]) == stained for at in range(len(tokens))):
                return reason
        if self._unseen and not is_plain(tokens):
            return self._unseen
        return next((r for r in map(self._of, references(tokens)) if r), None)

    def _of(self, reference: tuple[str | None, str]) -> str | None:
        alias, column = reference
        if alias is None:
            return self._bare(column)
        if alias == CALL:
            return self._revealing.get(column)
        if alias in SUBPLANS.values() or alias == "$":
            name = f"{alias}{column}" if alias == "$" else f"{alias} {column}"
            return self._subplans.get(name, self._everything)
        if column == "*":
            return self._whole(alias)
        if relation := self._relations.get(alias):
            return relation.reason(column)
        if parts := self._parts(alias):
            return next((reason for p in parts if (reason := p.reason(column))), None)
        column = _base(column)
        if column in self._columns.get(alias, {}):
            return self._columns[alias][column]
        return self._derived.get(alias, self._everything)

    def _whole(self, alias: str) -> str | None:
        if alias in self._relations:
            return self._relations[alias].any
        if parts := self._parts(alias):
            return next((part.any for part in parts if part.any), None)
        return self._derived.get(alias, self._everything)

    def _parts(self, alias: str) -> list[Sensitive]:
        """Return the partitions or children that are read for a table: of `t`, `t_1`, `t_2`, …"""
        if alias in self._derived:
            return []
        return [
            relation
            for known_as, relation in self._relations.items()
            if known_as.startswith(f"{alias}_") and known_as[len(alias) + 1 :].isdecimal()
        ]

    def _bare(self, column: str) -> str | None:
        """Say it of a name alone, which the server writes where only one relation is read."""
        relations = self._relations.values()
        if any(_base(column) in relation.columns for relation in relations):
            return next((reason for r in relations if (reason := r.reason(column))), None)
        column = _base(column)
        if derived := [known[column] for known in self._columns.values() if column in known]:
            return next(filter(None, derived), None)
        return None if column in _SYNTAX or column in _SYSTEM_COLUMNS else _HIDDEN


def _base(column: str) -> str:
    return column.partition(FIELD)[0]
