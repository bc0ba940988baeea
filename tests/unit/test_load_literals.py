"""PostgreSQL's spellings of arrays, ranges and intervals, and the names of fields."""

from typing import Any

import pytest

from dbctl.seed.load import exact
from dbctl.seed.load.forms import Form
from dbctl.seed.load.literals import Interval, array, interval, range_bounds, written
from dbctl.seed.load.sources import sniffed


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("{}", []),
        ("{ }", []),
        ("{a, b ,c d}", ["a", "b", "c d"]),
        ('{NULL,null,"NULL"}', [None, None, "NULL"]),
        (r'{"a,b","c\"d","e\\f",""}', ["a,b", 'c"d', "e\\f", ""]),
        ("{{1,2},{3,4}}", [["1", "2"], ["3", "4"]]),
        (' {"a" , {b}} ', ["a", ["b"]]),
    ],
)
def test_an_array_is_read_and_written_as_postgresql_does(text: str, items: list[Any]) -> None:
    assert array(text) == items
    assert array(written(items)) == items


@pytest.mark.parametrize(
    "text", ["", "a", "{a", "{a,}", "{,}", '{"a}', "{a}b", "{{a}", "{a}}", '{"a"b}', "[0:1]={a,b}"]
)
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no array"):
        array(text)


def test_the_bounds_of_a_range_may_be_quoted_open_or_missing() -> None:
    assert range_bounds("[1,2)") == ("1", "2", "[)")
    assert range_bounds('("a ""b""",\\,]') == ('a "b"', ",", "(]")
    assert range_bounds("(,)") == (None, None, "()")
    assert range_bounds("EMPTY") is None
    with pytest.raises(ValueError, match="is no range"):
        range_bounds("1-2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P1Y2M3W4DT5H6M7.5S", Interval(14, 25, 18_367_500_000)),
        ("-P1D", Interval(0, -1, 0)),
        ("PT-0.000001S", Interval(0, 0, -1)),
        ("1 year 2 mons -3 days +04:05:06.789", Interval(14, -3, 14_706_789_000)),
        ("@ 1 hour 2.5 secs ago", Interval(0, 0, -3_602_500_000)),
        ("00:00:00", Interval()),
        ("1 century", Interval(1200)),
    ],
)
def test_an_interval_keeps_months_days_and_time_apart(text: str, expected: Interval) -> None:
    assert interval(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "soon", "1 blink", "1.5 months", "1 day x"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no interval"):
        interval(text)


@pytest.mark.parametrize(
    "text", ['{"a": [1.10, 1e400, {"b": null}], "c": "ü"}', "12345678901234567890123.45", "[]"]
)
def test_json_is_written_with_the_digits_that_it_had(text: str) -> None:
    assert exact.dumps(exact.loads(text)) == text.replace("1e400", "1E+400")


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", '{"a": 01}'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the library's
        exact.loads(text)


@pytest.mark.parametrize(
    ("start", "form"),
    [
        (b" [1]", Form.JSON),
        (b'{"a": 1}\n{"a": 2}\n', Form.NDJSON),
        (b'{"a": 1}', Form.NDJSON),
        (b'{"a": [1, 2]}\n', Form.NDJSON),
        (b'{"a": [{"b": 1}]}\n', Form.JSON),
        (b'{\n "a": [\n', Form.JSON),
        (b"a,b\n", Form.CSV),
    ],
)
def test_a_form_is_told_by_how_a_file_begins(start: bytes, form: Form) -> None:
    assert sniffed(start) is form
