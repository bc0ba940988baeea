"""How `dbctl inspect` reads the names, conditions and orders that a user types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbctl.db.names import (
    Name,
    Order,
    choose,
    listed,
    parse_columns,
    parse_order,
    parse_relation,
    quote,
    split_key,
    suggestion,
    typed,
)
from dbctl.errors import UsageError

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tasks", [Name("tasks")]),
        ("Public.Tasks", [Name("Public"), Name("Tasks")]),
        ('"a.b"', [Name("a.b", quoted=True)]),
        ('"We""ird"."Na.me"', [Name('We"ird', quoted=True), Name("Na.me", quoted=True)]),
        (' "a" . b ', [Name("a", quoted=True), Name("b")]),
        ("été", [Name("été")]),
    ],
)
def test_a_relation_is_split_at_the_dot_outside_of_quotes(text: str, expected: list[Name]) -> None:
    assert parse_relation(text) == expected


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a.b.c", '"a', '"a"b', '""', '"a".', "\udcff"]
)
def test_what_is_no_name_is_a_usage_error_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_relation(text)
    assert caught.value.hint


def test_unquoted_names_are_folded_by_ascii_alone_as_postgresql_does() -> None:
    assert Name("ÀBC").folded == "Àbc"
    assert Name("ÀBC", quoted=True).folded == "ÀBC"


@given(NAMES, NAMES)
def test_every_name_survives_being_quoted(schema: str, table: str) -> None:
    names = parse_relation(f"{typed(schema)}.{typed(table)}")
    assert [name.folded for name in names] == [schema, table]
    assert [name.text for name in parse_columns([f"{quote(schema)},{quote(table)}"])] == [
        schema,
        table,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", [Order(Name("a"))]),
        ("a:desc,b:ASC", [Order(Name("a"), descending=True), Order(Name("b"))]),
        ('"a:desc"', [Order(Name("a:desc", quoted=True))]),
        ('"a,b":desc, c', [Order(Name("a,b", quoted=True), descending=True), Order(Name("c"))]),
        ("a:b", [Order(Name("a:b"))]),
        (":desc", [Order(Name(":desc"))]),
        ("-a", [Order(Name("-a"))]),
    ],
)
def test_only_a_last_asc_or_desc_is_a_direction(text: str, expected: list[Order]) -> None:
    assert parse_order([text]) == expected


@pytest.mark.parametrize("text", ["", "a,", '"a":up', '"a"x'])
def test_an_order_that_cannot_be_read_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_order([text])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a,b", ["a", "b"]), ('"a,b",c', ["a,b", "c"]), ("", [""]), (",", ["", ""])],
)
def test_a_key_is_split_at_commas_outside_of_quotes(text: str, expected: list[str]) -> None:
    assert split_key(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (Name("USERS"), ["users"]),
        (Name("USERS", quoted=True), []),
        (Name("Only"), ["ONLY"]),
        (Name("twins"), ["Twins", "TWINS"]),
        (Name("Twins", quoted=True), ["Twins"]),
        (Name("none"), []),
    ],
)
def test_an_exact_match_wins_and_else_case_is_forgiven(name: Name, expected: list[str]) -> None:
    assert choose(name, ["users", "Users", "ONLY", "Twins", "TWINS"]) == expected


def test_a_suggestion_names_what_is_near_and_nothing_that_is_far() -> None:
    assert suggestion("usr", ["users", "tasks"], "none") == "Did you mean users?"
    assert suggestion("Taks", ['"Tasks"', "users"], "none") == 'Did you mean "Tasks"?'
    assert suggestion("zzz", ["users"], "none") == "none"


def test_a_list_is_written_as_people_write_it() -> None:
    assert [listed(["a", "b", "c"][:count], "or") for count in range(4)] == [
        "",
        "a",
        "a or b",
        "a, b or c",
    ]
