"""Questions of other packages about the catalogue, with their operators qualified."""

import pytest

from dbctl.db.qualified import qualified


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select a = b", "select a operator(pg_catalog.=) b"),
        ("select a != 0", "select a operator(pg_catalog.<>) 0"),
        ("select a in (1, f(2))", "select a operator(pg_catalog.=) any (array[1, f(2)])"),
        ("select a not in (%s, %s), b in (%s)", "select a not in (%s, %s), b in (%s)"),
        ("select a in (%(a)s)", "select a operator(pg_catalog.=) any (array[%(a)s])"),
        ("select a not in (1)", "select a operator(pg_catalog.<>) all (array[1])"),
        ("select a in (select 1)", "select a operator(pg_catalog.=) any (select 1)"),
        ("select a like 'b' and c", "select a operator(pg_catalog.~~) 'b' and c"),
        (
            "select (a not like $1::x escape '/') = b",
            "select (a operator(pg_catalog.!~~) pg_catalog.like_escape( $1::x , '/'))"
            " operator(pg_catalog.=) b",
        ),
        (
            "select (a like %(b)s || '%%' escape '/') and c = d",
            "select (a operator(pg_catalog.~~) pg_catalog.like_escape( %(b)s || '%%' , '/'))"
            " and c operator(pg_catalog.=) d",
        ),
        (
            "select from unnest(a, f(b)), unnest(f(c, d))",
            "select from unnest(a, f(b)), pg_catalog.unnest(f(c, d))",
        ),
        ("select array_agg(a), x.max(b)", "select pg_catalog.array_agg(a), x.max(b)"),
        ("select '=', \"in\", a.b", "select '=', \"in\", a.b"),
        (
            "update t set a = 1 where b = 2",
            "update t set a = 1 where b operator(pg_catalog.=) 2",
        ),
        ("select a + 1 > %(b)s", "select a + 1 operator(pg_catalog.>) %(b)s"),
    ],
)
def test_qualified_operators_and_functions_are_those_of_pg_catalog(sql: str, expected: str) -> None:
    assert qualified(sql).split() == expected.split()
