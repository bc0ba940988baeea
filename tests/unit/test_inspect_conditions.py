"""How `dbctl inspect rows` reads the conditions that a user types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbctl.db.names import Name, quote
from dbctl.errors import UsageError
from dbctl.inspect.data.conditions import Condition, Operator, parse_condition

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
# What would make a longer operator of the one before it.
UNAMBIGUOUS = TEXTS.filter(lambda text: not text.startswith(("=", ">")))


@given(NAMES, st.sampled_from(Operator), UNAMBIGUOUS)
def test_every_condition_survives_a_quoted_name(
    column: str, operator: Operator, value: str
) -> None:
    condition = parse_condition(f"{quote(column)}{operator}{value}")
    assert (condition.column, condition.operator) == (Name(column, quoted=True), operator)
    is_word = operator in {"=", "!="} and "null" in value.strip("'").lower()
    assert is_word or condition.value == value


@pytest.mark.parametrize(
    ("text", "column", "operator", "value"),
    [
        ("a=b", "a", "=", "b"),
        ("a=", "a", "=", ""),
        ("a=b=c", "a", "=", "b=c"),
        ("a= b", "a", "=", " b"),
        ("a = b", "a", "=", " b"),
        ("a!=b", "a", "!=", "b"),
        ("a<>b", "a", "!=", "b"),
        ("a<b", "a", "<", "b"),
        ("a<=b", "a", "<=", "b"),
        ("a>b", "a", ">", "b"),
        ("a>=b", "a", ">=", "b"),
        ("a>-1", "a", ">", "-1"),
        ("a~b=c", "a", "~", "b=c"),
        ("a!~b", "a", "!~", "b"),
        ("a@>b", "a", "@>", "b"),
        ("a@b.c=d", "a@b.c", "=", "d"),
        ("a!b=c", "a!b", "=", "c"),
        ('"a>b">=c', "a>b", ">=", "c"),
    ],
)
def test_a_condition_is_split_at_its_first_and_longest_operator(
    text: str, column: str, operator: str, value: str
) -> None:
    expected = Condition(Name(column, quoted=text[0] == '"'), Operator(operator), value)
    assert parse_condition(text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=null", None),
        ("a=NULL", None),
        ("a!=null", None),
        ("a=Null", "Null"),
        ("a='null'", "null"),
        ("a!='NULL'", "NULL"),
        ("a='''NULL'''", "'NULL'"),
        ("a=''", ""),
        ("a='  '", "  "),
        ("a=''''", "'"),
        ("a='O''Neil'", "'O''Neil'"),
        ("a='x'", "'x'"),
        ("a~null", "null"),
        ("a<null", "null"),
        ("a@>'null'", "'null'"),
    ],
)
def test_null_is_what_a_value_may_equal_or_not_and_else_a_word(
    text: str, value: str | None
) -> None:
    assert parse_condition(text).value == value


@pytest.mark.parametrize("text", ["a", "=b", "", '"a=b"', '"a"x=1', "a=\udcff", "~b", "a!b"])
def test_what_is_no_condition_is_a_usage_error_that_names_the_operators(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_condition(text)
    assert caught.value.hint
    assert "udcff" in ascii(text) or "@>" in caught.value.hint
