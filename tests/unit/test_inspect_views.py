"""How `dbctl inspect` lays its results out, at every width."""

import io
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table

from dbctl.figures import size
from dbctl.inspect.data import row_views, views
from dbctl.inspect.data.results import Header, RowResult, RowsResult
from dbctl.inspect.data.verbatim import JsonText
from dbctl.inspect.database.results.pool import Connections, Pool, PoolResult, Server
from dbctl.inspect.database.views import pool as pool_views
from dbctl.inspect.grid import shrink
from dbctl.rendering import console


def drawn(view: RenderableType, width: int) -> list[str]:
    with redirect_stdout(io.StringIO()) as out:
        screen = console()
        screen.width = width
        screen.print(view)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def rows(
    *records: dict[str, Any], more: bool = False, order: tuple[str, ...] = ("id",)
) -> RowsResult:
    return RowsResult(
        table="public.t",
        headers=tuple(
            Header(name=name, type=kind(value), primary_key=name == "id")
            for name, value in records[0].items()
        ),
        rows=records,
        limit=20,
        offset=40,
        order=order,
        more=more,
        count=len(records),
    )


def kind(value: object) -> str:
    return {int: "integer", str: "text", list: "text[]", dict: "jsonb"}.get(type(value), "text")


@given(
    st.lists(
        st.tuples(st.integers(0, 3000), st.integers(0, 40)).map(lambda p: (p[0], min(p))),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 2000),
)
def test_columns_are_shrunk_to_the_space_but_never_below_their_floors(
    columns: list[tuple[int, int]], space: int
) -> None:
    natural = [width for width, _ in columns]
    floors = [floor for _, floor in columns]
    widths = shrink(natural, floors, space)
    assert all(f <= w <= n for f, w, n in zip(floors, widths, natural, strict=True))
    if sum(natural) <= space:
        assert widths == natural
    elif sum(floors) <= space:
        assert sum(widths) == space
    else:
        assert widths == floors


def test_the_widest_column_gives_first() -> None:
    assert shrink([5, 100, 40], [5, 12, 12], 80) == [5, 37, 38]
    assert shrink([5, 100, 100], [5, 12, 12], 64) == [5, 29, 30]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    record: dict[str, Any] = {"id": 1} | {f"column_{n}": "x" * 30 * n for n in range(9)}
    result = rows(record)
    one = RowResult(table=result.table, headers=result.headers, row=record)
    for view in (views.rows(result), row_views.row(one)):
        assert max(len(line) for line in drawn(view, width)) <= width


def test_many_columns_on_a_narrow_terminal_become_one_block_per_row() -> None:
    result = rows(*({"id": n} | {f"c{m}": "value " * 9 + "." for m in range(8)} for n in range(2)))
    narrow = drawn(views.rows(result), 80)
    assert [line for line in narrow if line.startswith("row ")] == ["row 41", "row 42"]
    assert "c7  value value" in "\n".join(narrow)
    wide = drawn(views.rows(result), 200)
    assert not [line for line in wide if line.startswith("row ")]


def test_whole_values_are_not_squeezed_into_narrow_columns() -> None:
    record = {"id": 1, "name": "n" * 20, "body": "b" * 300, "notes": "o" * 300}
    result = rows(record)
    assert drawn(views.rows(result, full=True), 80)[0] == "row 41"
    assert "bbb  ooo" in "\n".join(drawn(views.rows(result, full=True), 120))


def test_long_values_are_shortened_in_tables_and_whole_where_one_row_is_shown() -> None:
    value = "".join(f"{n:04d}" for n in range(100))
    result = rows({"id": 1, "body": value})
    table = "\n".join(drawn(views.rows(result), 80))
    assert "…" in table
    assert value not in table
    one = RowResult(table=result.table, headers=result.headers, row=result.rows[0])
    lines = drawn(row_views.row(one), 80)
    assert value in "".join(line.removeprefix("body").strip() for line in lines)


def test_the_names_of_a_block_stay_whole_beside_a_long_value() -> None:
    record = {"id": 1, "completed_at": "x" * 200} | {f"c{n}": "value " * 9 for n in range(8)}
    assert "completed_at  xxx" in "\n".join(drawn(views.rows(rows(record)), 80))


def test_a_huge_value_does_not_fill_the_screen() -> None:
    result = rows({"id": 1, "body": "x" * 1_000_000})
    one = RowResult(table=result.table, headers=result.headers, row=result.rows[0])
    lines = drawn(row_views.row(one), 80)
    assert len(lines) < 40
    assert "998,000 more characters" in " ".join(" ".join(lines).split())


def test_what_is_piped_is_not_cut() -> None:
    result = rows({"id": 1, "body": "x" * 300, "other": "y" * 300})
    assert "x" * 300 + "  " + "y" * 300 in "\n".join(drawn(views.rows(result), 2000))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "NULL"),
        ("", "''"),
        ("NULL", "'NULL'"),
        ("null", "'null'"),
        (" x", "' x'"),
        ("'x'", "'''x'''"),
        ("it's", "it's"),
        (True, "true"),
        (1.5, "1.5"),
        ("NaN", "NaN"),
        (["é", None], '["é", null]'),
        (JsonText('{"a": 1, "a":  1.50}'), '{"a": 1, "a":  1.50}'),
        (JsonText('"x"'), '"x"'),
        (JsonText("null"), "null"),
        ("[bold]x[/foo]", "[bold]x[/foo]"),
        ("a\nb\x1b[31m\u202e", "a\\nb\\x1b[31m\\u202e"),
    ],
)
def test_a_cell_shows_what_the_value_is(value: object, expected: str) -> None:
    assert views.cell(value).plain == expected


def test_numbers_stand_to_the_right() -> None:
    lines = drawn(views.rows(rows({"id": 1, "n": 5}, {"id": 2, "n": 12345})), 80)
    assert [line for line in lines if line.endswith("5")] == ["  1      5", "  2  12345"]


@pytest.mark.parametrize(
    ("result", "footer"),
    [
        (rows({"id": 1}), "1 row"),
        (rows({"id": 1}, {"id": 2}, more=True), "2 rows, more with --offset 42"),
        (
            rows({"n": 1}, more=True, order=()),
            "1 row, more with --offset 41; in no certain order without --order",
        ),
    ],
)
def test_the_footer_counts_and_says_how_to_go_on(result: RowsResult, footer: str) -> None:
    assert drawn(views.rows(result), 80)[-1] == footer


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (8192, "8.0 kB"),
        (507904, "496 kB"),
        (1536 * 1024, "1.5 MB"),
        (5 * 1024**4, "5.0 TB"),
        (5 * 1024**6, "5120 PB"),
    ],
)
def test_sizes_are_for_people(count: int, expected: str) -> None:
    assert size(count) == expected


def test_no_rows_are_a_sentence_and_not_an_empty_table() -> None:
    nothing = rows({"id": 1}).model_copy(update={"rows": (), "count": 0})
    assert drawn(views.rows(nothing), 80) == ["no rows after the first 40"]
    first = nothing.model_copy(update={"offset": 0})
    assert drawn(views.rows(first), 80) == ["no rows"]


def test_a_full_server_has_nothing_free() -> None:
    result = PoolResult(
        read_at=datetime(2024, 1, 1, tzinfo=UTC),
        pool=Pool(size=5, max_overflow=10, checked_in=0, checked_out=1, overflow=0, recycle=-1),
        server=Server(host="h", database="d", user="u", version="18.6", tls="TLSv1.3", pooled=True),
        connections=Connections(used=99, maximum=100, reserved=3),
    )
    text = "\n".join(drawn(pool_views.pool(result), 80))
    for line in ("TLSv1.3", "pooled", "99 of 100", "never"):
        assert line in text
    assert text.split("free")[1].strip() == "0"


def many(count: int) -> RowsResult:
    return rows(
        *(
            {
                "id": n * n,
                "note": None if n % 3 else "日本",
                "body": f"value {n} " * (n % 5),
                "at": "z",
            }
            for n in range(count)
        )
    )


@pytest.mark.parametrize("width", [20, 200])
@pytest.mark.parametrize("full", [False, True])
def test_rows_of_a_long_table_are_not_laid_out_by_rich_one_by_one(
    width: int, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tables take 100 µs a cell; so many rows of them are asked for, however many there are."""
    asked: list[int] = []
    add_row = Table.add_row

    def counted(table: Table, *cells: Any, **options: Any) -> None:
        asked.append(len(cells))
        add_row(table, *cells, **options)

    monkeypatch.setattr(Table, "add_row", counted)
    sums = []
    for count in (5, 1000):
        asked.clear()
        lines = drawn(views.rows(many(count), full=full), width)
        assert sum("z" in line for line in lines) == count
        sums.append(sum(asked))
    assert sums[0] == sums[1]


def test_every_row_of_a_table_is_laid_out_like_the_first() -> None:
    first, *others = (line for line in drawn(views.rows(many(7)), 200) if line.endswith("z"))
    assert len(others) == 6
    assert {cell_len(line) for line in others} == {cell_len(first)}
    for number, line in enumerate(others, start=1):
        assert line[: first.index("0") + 1].strip() == str(number**2)  # to the right
