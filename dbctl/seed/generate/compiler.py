"""SQL's expressions written as Python, with its logic of three values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from dbctl.db.catalog import Column
from dbctl.seed.generate.constants import cast_kind, converted, literal_of
from dbctl.seed.generate.expressions import Node, Opaque
from dbctl.seed.generate.limits import Kind, kind_of, leaf_kind
from dbctl.seed.generate.sqllogic import HELPERS, is_portable, like

# The type of a part: a kind, with `[]` for arrays; None is a literal that takes the other's type.
type Typed = tuple[str, str | None, bool]

_NUMBERS = {Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT}
_ORDERED = {*_NUMBERS, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL}
_EQUAL = {*_ORDERED, Kind.TEXT, Kind.ENUM, Kind.BOOL, Kind.UUID}
_LENGTHS = {"length", "char_length", "character_length"}
_TEXTS = {"lower": "lower", "upper": "upper"}
_FIELDS = {
    "year": "{}.year",
    "month": "{}.month",
    "day": "{}.day",
    "quarter": "(({}.month + 2) // 3)",
    "dow": "({}.isoweekday() % 7)",
    "isodow": "{}.isoweekday()",
    "doy": "(({0} - {0}.replace(month=1, day=1)).days + 1)",
    "week": "{}.isocalendar()[1]",
}
_TIME_FIELDS = {"hour": "{}.hour", "minute": "{}.minute"}


def _has_months(node: Node) -> bool:
    """Tell whether an interval's length depends on the day, or may do so."""
    while node.kind == "cast":
        node = node.arguments[0]
    return node.kind != "literal" or re.search("mon|year", str(node.value)) is not None


class Compiler:
    """Write Python for a tree; each part is (source, kind, whether it may be None)."""

    def __init__(self, columns: Mapping[str, tuple[str, Column]]) -> None:
        self._columns = columns
        self._names = 0
        self.constants: dict[str, Any] = {"__builtins__": {}}

    def expression(self, node: Node) -> Typed:
        """Write `node`; raises Opaque where the server alone can tell what it is."""
        match node.kind:
            case "column":
                return self._column(node.value)
            case "literal":
                return self._literal(node)
            case "cast":
                return self._cast(node)
            case "and" | "or":
                return self._logic(node)
            case "not":
                source, kind, nullable = self.expression(node.arguments[0])
                self._require(kind == Kind.BOOL)
                return self._strict([(source, kind, nullable)], lambda a: f"(not {a})", Kind.BOOL)
            case "is null":
                return f"({self._present(node.arguments[0])} is None)", Kind.BOOL, False
            case "is true" | "is false":
                source, kind, _ = self.expression(node.arguments[0])
                self._require(kind == Kind.BOOL)
                return f"({source} is {node.kind == 'is true'})", Kind.BOOL, False
            case "is distinct":
                left, right = self._pair(node)
                self._require(left[1] in _EQUAL)
                return f"({left[0]} != {right[0]})", Kind.BOOL, False
            case "compare":
                return self._compare(node)
            case "any" | "all":
                return self._quantified(node)
            case "operator":
                return self._operator(node)
            case "case":
                return self._case(node)
            case "call":
                return self._call(node)
            case _:
                raise Opaque(node.kind)

    def function(self, text: str) -> Any:
        """Return the function that `text`, which this compiler has written, is of."""
        return eval(text, self.constants | HELPERS)  # noqa: S307 - literals are constants

    def _require(self, condition: bool) -> None:
        if not condition:
            raise Opaque

    def _constant(self, value: Any) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def _strict(self, parts: Sequence[Typed], write: Callable[..., str], kind: str | None) -> Typed:
        """Write what is unknown where one of its parts is."""
        sources, tests = [], []
        for source, _, nullable in parts:
            if not nullable:
                sources.append(source)
                continue
            self._names += 1
            name = f"t{self._names}"
            tests.append(f"({name} := {source}) is None")
            sources.append(name)
        body = write(*sources)
        if not tests:
            return body, kind, False
        condition = " or ".join(tests)
        return f"(None if {condition} else {body})", kind, True

    def _present(self, node: Node) -> str:
        """Write what is None where a part is NULL, also for a column that cannot be compared."""
        if node.kind == "column" and node.value in self._columns:
            return self._columns[node.value][0]
        return self.expression(node)[0]

    def _column(self, name: str) -> Typed:
        if name not in self._columns:
            raise Opaque(name)
        variable, column = self._columns[name]
        kind: str = kind_of(column)
        if kind == Kind.TEXT and column.base_name == "citext":
            raise Opaque(name)  # equality is another one
        if column.leaf == "bpchar" and not column.is_array:
            return f"unpadded({variable})", kind, column.nullable
        if column.leaf == "float4" or kind == Kind.JSON:
            kind = Kind.FLOAT if column.leaf == "float4" else Kind.JSON
        if kind == Kind.RANGE and not column.is_array:
            kind = f"range:{leaf_kind(column.subtype or '')}"
        return variable, f"{kind}[]" if column.is_array else kind, column.nullable

    def _literal(self, node: Node) -> Typed:
        value = node.value
        if value is None:
            return "None", None, True
        kind = {bool: Kind.BOOL, int: Kind.INTEGER, Decimal: Kind.NUMERIC}.get(type(value))
        return self._constant(value), kind, False

    def _cast(self, node: Node) -> Typed:
        inner = node.arguments[0]
        target = cast_kind(node.value)
        if inner.kind == "literal" and isinstance(inner.value, str):
            if target is None:
                return self._enum_literal(node.value, inner)
            return self._constant(converted(inner.value, target)), target, False
        if node.value.endswith("[]"):
            source, kind, nullable = self.expression(inner)
            return source, kind, nullable
        source, kind, nullable = self.expression(inner)
        if kind == target or kind is None:
            return source, target, nullable
        if kind in _NUMBERS and target in _NUMBERS:
            if target == Kind.FLOAT:
                return self._strict([(source, kind, nullable)], lambda a: f"float({a})", target)
            if kind == Kind.INTEGER:
                return source, target, nullable
            raise Opaque(node.value)  # it rounds
        if target == Kind.TEXT and kind == Kind.ENUM:
            return source, target, nullable
        raise Opaque(node.value)

    def _enum_literal(self, name: str, inner: Node) -> Typed:
        """Take a literal of an enum, or of a type whose values are compared as text."""
        for _, column in self._columns.values():
            if column.labels and column.base_name in {name, name.removesuffix("[]")}:
                if name.endswith("[]"):
                    raise Opaque(name)
                return self._constant(inner.value), Kind.ENUM, False
        raise Opaque(name)

    def _logic(self, node: Node) -> Typed:
        parts = [self.expression(argument) for argument in node.arguments]
        self._require(all(kind in {Kind.BOOL, None} for _, kind, _ in parts))
        if not any(nullable for _, _, nullable in parts):
            joined = f" {node.kind} ".join(source for source, _, _ in parts)
            return f"({joined})", Kind.BOOL, False
        listed = ", ".join(source for source, _, _ in parts)
        return f"{node.kind}3(({listed},))", Kind.BOOL, True

    def _pair(self, node: Node) -> tuple[Typed, Typed]:
        """Compile both sides; a bare literal takes the type of the other."""
        left, right = (self.expression(argument) for argument in node.arguments)
        if left[1] is None and right[1] is not None and node.arguments[0].kind == "literal":
            left = self._retyped(node.arguments[0], right[1])
        if right[1] is None and left[1] is not None and node.arguments[1].kind == "literal":
            right = self._retyped(node.arguments[1], left[1])
        kinds = {left[1], right[1]}
        if len(kinds) > 1:
            if kinds <= _NUMBERS:
                if Kind.FLOAT in kinds:
                    left, right = (
                        side
                        if side[1] == Kind.FLOAT
                        else self._strict([side], lambda a: f"float({a})", Kind.FLOAT)
                        for side in (left, right)
                    )
            else:
                raise Opaque
        return left, right

    def _retyped(self, node: Node, kind: str) -> Typed:
        if node.value is None:
            return "None", kind, True
        return self._constant(converted(node.value, kind)), kind, False

    def _compare(self, node: Node) -> Typed:
        left, right = self._pair(node)
        operator = node.value
        if operator in {"=", "<>"}:
            self._require(left[1] in _EQUAL)
            symbol = "==" if operator == "=" else "!="
        else:
            self._require(left[1] in _ORDERED)  # the order of texts is the collation's
            symbol = operator
        return self._strict([left, right], lambda a, b: f"({a} {symbol} {b})", Kind.BOOL)

    def _quantified(self, node: Node) -> Typed:
        self._require((node.kind, node.value) in {("any", "="), ("all", "<>")})
        subject, array = node.arguments
        source, kind, nullable = self.expression(subject)
        self._require(kind in _EQUAL)
        while array.kind == "cast":
            array = array.arguments[0]
        if array.kind == "literal" and isinstance(array.value, str):
            raise Opaque
        self._require(array.kind == "array")
        values = [literal_of(item, kind) for item in array.arguments]
        self._require(None not in values)
        constant = self._constant(frozenset(values))
        word = "in" if node.kind == "any" else "not in"
        return self._strict(
            [(source, kind, nullable)], lambda a: f"({a} {word} {constant})", Kind.BOOL
        )

    def _operator(self, node: Node) -> Typed:
        operator = node.value
        if operator == "0-":
            part = self.expression(node.arguments[0])
            self._require(part[1] in _NUMBERS)
            return self._strict([part], lambda a: f"(-{a})", part[1])
        if operator in {"~", "!~", "~*", "!~*", "~~", "!~~"}:
            return self._match(node)
        if (calculated := self._times(node)) is not None:
            return calculated
        left, right = self._pair(node)
        kind = left[1] if left[1] == right[1] else Kind.NUMERIC
        if operator == "||":
            self._require(kind == Kind.TEXT)
            return self._strict([left, right], lambda a, b: f"({a} + {b})", kind)
        self._require(kind in _NUMBERS)
        if operator in {"+", "-", "*"}:
            return self._strict([left, right], lambda a, b: f"({a} {operator} {b})", kind)
        if kind == Kind.INTEGER and operator in {"/", "%"} and node.arguments[1].kind == "literal":
            helper = "quotient" if operator == "/" else "remainder"
            return self._strict([left, right], lambda a, b: f"{helper}({a}, {b})", kind)
        raise Opaque(operator)

    def _times(self, node: Node) -> Typed | None:
        """Write the sum or the difference of dates and times; None where it is none."""
        left, right = (self.expression(argument) for argument in node.arguments)
        match left[1], node.value, right[1]:
            case Kind.DATE, "-", Kind.DATE:
                return self._strict([left, right], lambda a, b: f"({a} - {b}).days", Kind.INTEGER)
            case ((Kind.TIMESTAMP | Kind.TIMESTAMPTZ), "-", other) if other == left[1]:
                return self._strict([left, right], lambda a, b: f"({a} - {b})", Kind.INTERVAL)
            case Kind.DATE, ("+" | "-") as sign, Kind.INTEGER:
                return self._strict(
                    [left, right], lambda a, b: f"({a} {sign} timedelta({b}))", Kind.DATE
                )
            case (Kind.TIMESTAMP | Kind.TIMESTAMPTZ) as kind, ("+" | "-") as sign, Kind.INTERVAL:
                self._require(not _has_months(node.arguments[1]))
                return self._strict([left, right], lambda a, b: f"({a} {sign} {b})", kind)
            case _:
                return None

    def _case(self, node: Node) -> Typed:
        """Write a CASE, whose results are all of one type."""
        *parts, rest = [self.expression(argument) for argument in node.arguments]
        kinds = {kind for _, kind, _ in (*parts[1::2], rest)} - {None}
        self._require(len(kinds) == 1 and all(kind == Kind.BOOL for _, kind, _ in parts[::2]))
        source = rest[0]
        for (condition, _, _), (result, _, _) in reversed(
            list(zip(parts[::2], parts[1::2], strict=True))
        ):
            source = f"({result} if ({condition}) is True else {source})"
        return source, kinds.pop(), any(nullable for _, _, nullable in (*parts[1::2], rest))

    def _match(self, node: Node) -> Typed:
        part = self.expression(node.arguments[0])
        self._require(part[1] == Kind.TEXT)
        if node.arguments[0].kind == "column":
            variable, column = self._columns[node.arguments[0].value]
            if column.leaf == "bpchar":
                part = f"padded({variable}, {column.length or 1})", Kind.TEXT, column.nullable
        pattern = literal_of(node.arguments[1], Kind.TEXT)
        if node.value.endswith("~~"):
            source = like(pattern)
        else:
            if not is_portable(pattern):
                raise Opaque(pattern)
            source = pattern
        flags = re.DOTALL | (re.IGNORECASE if node.value.endswith("*") else 0)
        try:
            search = self._constant(re.compile(source, flags).search)
        except re.error:
            raise Opaque(pattern) from None
        test = "is None" if node.value.startswith("!") else "is not None"
        return self._strict([part], lambda a: f"({search}({a}) {test})", Kind.BOOL)

    def _call(self, node: Node) -> Typed:
        name = node.value
        if name in {"num_nonnulls", "num_nulls"}:
            sources = map(self._present, node.arguments)
            test = "is not None" if name == "num_nonnulls" else "is None"
            total = " + ".join(f"({source} {test})" for source in sources)
            return f"({total})", Kind.INTEGER, False
        if name == "coalesce" and len(node.arguments) == 2:
            left, right = self._pair(node)
            self._names += 1
            return (
                f"({right[0]} if (t{self._names} := {left[0]}) is None else t{self._names})",
                left[1],
                right[2],
            )
        parts = [self.expression(argument) for argument in node.arguments]
        kinds = [kind for _, kind, _ in parts]
        match name, kinds:
            case (_, [Kind.TEXT]) if name in _LENGTHS:
                return self._strict(parts, lambda a: f"len({a})", Kind.INTEGER)
            case "octet_length", [Kind.TEXT]:
                return self._strict(parts, lambda a: f"len({a}.encode())", Kind.INTEGER)
            case "octet_length", [Kind.BYTES]:
                return self._strict(parts, lambda a: f"len({a})", Kind.INTEGER)
            case (_, [Kind.TEXT]) if name in _TEXTS:
                return self._strict(parts, lambda a: f"{a}.{_TEXTS[name]}()", Kind.TEXT)
            case (("btrim" | "ltrim" | "rtrim"), [Kind.TEXT]):
                method = {"btrim": "strip", "ltrim": "lstrip", "rtrim": "rstrip"}[name]
                return self._strict(parts, lambda a: f"{a}.{method}(' ')", Kind.TEXT)
            case "abs", [kind] if kind in _NUMBERS:
                return self._strict(parts, lambda a: f"abs({a})", kind)
            case "cardinality", [str(kind)] if kind.endswith("[]"):
                return self._strict(parts, lambda a: f"len({a})", Kind.INTEGER)
            case "array_length", [str(kind), Kind.INTEGER] if kind.endswith("[]"):
                source, _, _ = self._strict(parts[:1], lambda a: f"(len({a}) or None)", None)
                return source, Kind.INTEGER, True
            case (("lower" | "upper"), [str(kind)]) if kind.startswith("range:"):
                source, _, _ = self._strict(parts, lambda a: f"{name}_of({a})", None)
                return source, kind.removeprefix("range:"), True
            case "isempty", [str(kind)] if kind.startswith("range:"):
                return self._strict(parts, lambda a: f"is_void({a})", Kind.BOOL)
            case "date_part", [_, kind] if kind in {Kind.DATE, Kind.TIMESTAMP}:
                field = literal_of(node.arguments[0], Kind.TEXT)
                known = _FIELDS if kind == Kind.DATE else _FIELDS | _TIME_FIELDS
                self._require(field in known)
                return self._strict(parts[1:], known[field].format, Kind.INTEGER)
            case "round", [Kind.NUMERIC, *_] if node.arguments[1:]:
                places = literal_of(node.arguments[1], Kind.INTEGER)
                self._require(isinstance(places, int))
                return self._strict(parts[:1], lambda a: f"rounded({a}, {places})", Kind.NUMERIC)
            case _:
                raise Opaque(name)
