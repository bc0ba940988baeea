"""How rows, a row and a count look on a terminal: what is shortened, masked and said below them."""

import io
from contextlib import redirect_stdout
from typing import Any

import pytest
from rich.console import RenderableType

from dbctl.inspect.data import row_views, views
from dbctl.inspect.data.results import (
    CountResult,
    Header,
    Reference,
    Referrer,
    RowResult,
    RowsResult,
)
from dbctl.rendering import console, show


def drawn(view: RenderableType, width: int = 80) -> list[str]:
    with redirect_stdout(io.StringIO()) as out:
        screen = console()
        screen.width = width
        screen.print(view, crop=False)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def page(*records: dict[str, Any], types: dict[str, str] | None = None, **more: Any) -> RowsResult:
    headers = tuple(
        Header(
            name=name,
            type=(types or {}).get(name, "text"),
            primary_key=name == "id",
            masked=name == "token",
            reason="its name" if name == "token" else None,
        )
        for name in records[0]
    )
    return RowsResult(
        table="t",
        headers=headers,
        rows=records,
        count=len(records),
        limit=20,
        order=("id",),
        **more,
    )


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_shortened_value_tells_its_length(width: int) -> None:
    lines = drawn(views.rows(page({"id": "1", "body": "Lorem " * 700})), width)
    assert max(map(len, lines)) <= width
    (line,) = [line for line in lines if "Lorem" in line]
    assert line.endswith("… 4,200 chars")
    assert len(line) >= width - 1


def test_a_value_that_fits_is_shown_as_it_is() -> None:
    text = "\n".join(drawn(views.rows(page({"id": "1", "body": "x" * 70}))))
    assert "x" * 70 in text
    assert "chars" not in text


def test_in_blocks_long_values_tell_their_length_too() -> None:
    record = {"id": "1"} | {f"column_{n}": "word " * 40 + "." for n in range(9)}
    lines = drawn(views.rows(page(record)))
    assert lines[0] == "row 1"
    assert sum(line.endswith("… 201 chars") for line in lines) == 9
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("columns", [1, 9])
def test_full_shows_all_of_every_value(columns: int) -> None:
    record = {"id": "1"} | {f"c{n}": f"{n}" * 3000 for n in range(columns)}
    text = "".join("".join(drawn(views.rows(page(record), full=True))).split())
    for n in range(columns):
        assert text.count(f"{n}") >= 3000
    assert "chars" not in text
    assert "more" not in text


def test_a_moment_is_readable_to_its_second_or_shown_in_a_block() -> None:
    moment = "2026-11-22T16:59:28.402782+00:00"
    types = dict.fromkeys(("a", "b", "c"), "timestamp with time zone")
    text = "\n".join(drawn(views.rows(page({"a": moment, "b": moment, "c": moment}, types=types))))
    assert text.count("2026-11-22T16:59:28") == 3


def test_masked_columns_are_named_below_with_the_reason() -> None:
    lines = drawn(views.rows(page({"id": "1", "token": "***"}, {"id": "2", "token": None})))
    assert lines[-1] == "masked: token (its name); --reveal shows what is there"
    assert [line.split()[-1] for line in lines if line.startswith((" 1", " 2"))] == ["***", "NULL"]


@pytest.mark.parametrize(
    ("more", "footer"),
    [
        ({"more": True, "next": "7"}, "1 row, more with --after 7"),
        ({"more": True, "next": "a b,'c"}, "1 row, more with --after 'a b,'\"'\"'c'"),
        ({"more": True, "next": "\x1b[31m"}, "1 row, more with --offset 1"),
        ({"more": True, "next": "a\nb"}, "1 row, more with --offset 1"),
        ({"more": True, "next": None, "offset": 4}, "1 row, more with --offset 5"),
        ({"sample": True}, "1 random row"),
    ],
)
def test_the_footer_says_how_to_go_on(more: dict[str, Any], footer: str) -> None:
    assert drawn(views.rows(page({"id": "1"}, **more)))[-1] == footer


def test_after_the_last_page_there_are_no_more_rows() -> None:
    empty = page({"id": "1"}, after="9").model_copy(update={"rows": (), "count": 0})
    assert drawn(views.rows(empty)) == ["no more rows"]


def test_a_count_is_a_sentence_on_a_terminal_and_a_number_in_a_pipe() -> None:
    result = CountResult(table="public.t", count=1234567)
    assert drawn(views.count(result)) == ["1,234,567 rows in public.t"]
    piped = io.StringIO()
    show(views.count(result), piped)
    assert piped.getvalue() == "1234567\n"


def relatives(**more: Any) -> RowResult:
    reference = Reference(
        constraint="c",
        columns=("user_id",),
        table="public.users",
        referenced_columns=("id",),
        key=("7",),
        found=True,
        label="[bold]A\x1bda",
        command="dbctl inspect row public.users " + "7" * 90,
    )
    referrer = Referrer(
        constraint="d",
        table="public.notes",
        columns=("task_id",),
        referenced_columns=("id",),
        **more,
    )
    return RowResult(
        table="t",
        headers=(Header(name="id", type="integer"),),
        row={"id": 1},
        references=(reference,),
        referenced_by=(referrer,),
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"count": 0}, "0 rows"),
        ({"count": 1}, "1 row"),
        ({"count": 1000, "more": True}, "1,000+ rows"),
        ({"note": "no index on task_id"}, "not counted: no index on task_id"),
    ],
)
def test_relatives_are_counted_and_their_commands_can_be_copied(
    found: dict[str, Any], told: str
) -> None:
    lines = drawn(row_views.row(relatives(**found)))
    assert f"  public.notes by task_id  {told}" in lines
    assert "  user_id → public.users  [bold]A\\x1bda" in lines
    # On one line, however long: a terminal wraps it, and it is copied whole.
    assert "    dbctl inspect row public.users " + "7" * 90 in lines
