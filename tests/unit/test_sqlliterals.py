"""Statements of others are shown without their constants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbctl.sqlliterals import without_literals
from dbctl.sqltokens import Kind, tokenize


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("ALTER ROLE a PASSWORD 'hunter2'", "ALTER ROLE a PASSWORD '…'"),
        ("select * from t where p = E'hunter\\'2' and q = 1",
         "select * from t where p = '…' and q = 1"),
        ("select U&'hunter2', x'AB', N'hunter2', b'1'", "select '…', '…', '…', '…'"),
        ("do $a$ hunter2 $a$", "do '…'"),
        ("select 'hunter2\n and more", "select '…'"),
        ("update t set ssn = 123456789 where id = $1 limit 10",
         "update t set ssn = … where id = $1 limit 10"),
        ("select 1.5e3, 0xFFFF, 12", "select …, …, 12"),
        ("set app.token = hunter2", "set app.token = '…'"),
        ("SET LOCAL app.token TO hunter2, more; select 1", "SET LOCAL app.token TO '…'; select 1"),
        ("alter role a set app.token to \"hunter2\"", "alter role a set app.token to '…'"),
        ("set work_mem = a", "set work_mem = a"),
        ("select 'a\\' or p = 'hunter2' --'", "select '…' …"),
        ("select 1 /* [bold] route='hunter2' 123456 */", "select 1 /* [bold] route='…' … */"),
        ("select a -- postgres://b:hunter2@c/d\nfrom t", "select a -- postgres://***@c/d\nfrom t"),
        ('select "select" from "a b"', 'select "select" from "a b"'),
        ("copy t from stdin", "copy t from stdin"),
    ],
)  # fmt: skip
def test_constants_of_a_statement_are_replaced(sql: str, shown: str) -> None:
    assert without_literals(sql) == shown


@given(st.text(alphabet="ab'\\$-/*1\"E \n;=.", max_size=40))
def test_no_string_of_any_text_is_left(text: str) -> None:
    shown = without_literals(text)
    strings = [token.text for token in tokenize(shown) if token.kind is Kind.STRING]
    assert not "".join(strings).replace("'…'", "") or "\\" in text
