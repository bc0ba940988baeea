"""One result feeds every format, and no text drives the terminal."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from dbctl.errors import ExitCode, OperationFailed, UsageError
from dbctl.output import Output, chosen_output, emit
from dbctl.rendering import safe, visible, visible_json
from dbctl.results import ErrorBody, FallibleResult, Result
from tests.support.cli import invoke
from tests.support.terminal import Terminal


class Fruit(Result):
    name: str
    ripe: bool
    seeds: tuple[int, ...] = ()


class Basket(FallibleResult):
    fruits: list[Fruit]

    def records(self) -> Iterable[Mapping[str, object]]:
        return [fruit.model_dump() for fruit in self.fruits]

    def columns(self) -> Sequence[str]:
        return list(Fruit.model_fields)


def view(basket: Basket) -> Text:
    return Text(f"{len(basket.fruits)} fruits")


BASKET = Basket(fruits=[Fruit(name='a "fig"', ripe=True, seeds=(1, 2)), Fruit(name="", ripe=False)])


def emitted(output: Output, result: Basket, capsys: pytest.CaptureFixture[str]) -> str:
    token = chosen_output.set(output)
    try:
        emit(result, view)
    finally:
        chosen_output.reset(token)
    return capsys.readouterr().out


def test_the_table_form_is_the_view(capsys: pytest.CaptureFixture[str]) -> None:
    assert emitted(Output.TABLE, BASKET, capsys) == "2 fruits\n"


def test_json_is_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(emitted(Output.JSON, BASKET, capsys)) == BASKET.model_dump(mode="json")


def test_csv_is_its_records(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.reader(io.StringIO(emitted(Output.CSV, BASKET, capsys))))
    assert rows == [["name", "ripe", "seeds"], ['a "fig"', "true", "[1, 2]"], ["", "false", "[]"]]


def test_ndjson_is_a_line_of_json_per_record(capsys: pytest.CaptureFixture[str]) -> None:
    lines = emitted(Output.NDJSON, BASKET, capsys).splitlines()
    assert [json.loads(line) for line in lines] == BASKET.model_dump(mode="json")["fruits"]


def test_markdown_is_a_table_of_the_records(capsys: pytest.CaptureFixture[str]) -> None:
    odd = Basket(fruits=[Fruit(name="a|b\n*c* <d> e_f _g_\\", ripe=True)])
    assert emitted(Output.MARKDOWN, odd, capsys) == (
        "| name | ripe | seeds |\n| --- | --- | --- |\n"
        "| a\\|b<br>\\*c\\* &lt;d&gt; e_f \\_g\\_\\\\ | true | \\[\\] |\n"
    )


def test_vertical_is_a_block_per_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert emitted(Output.VERTICAL, BASKET, capsys) == (
        'row 1\nname   a "fig"\nripe   true\nseeds  [1, 2]\n'
        "\nrow 2\nname   \nripe   false\nseeds  []\n"
    )


def test_nothing_but_rows_is_parquet(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="only rows"):
        emitted(Output.PARQUET, BASKET, capsys)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--json", "--format", "csv"), "--json and --format csv"),
        (("-x", "--json"), "--json and -x"),
        (("-x", "--format=csv"), "-x and --format csv"),
        (("--json", "--format", "json"), None),
        (("-x", "--format", "vertical"), None),
    ],
)
def test_one_format_is_asked_for(options: tuple[str, ...], told: str | None) -> None:
    done = invoke("config", *options)
    assert done.exit_code == (2 if told else 0)
    if told:
        assert f"{told} do not go together" in done.stdout + done.stderr


def test_an_error_is_a_line_of_its_own_after_ndjson(capsys: pytest.CaptureFixture[str]) -> None:
    result = BASKET.model_copy(update={"error": ErrorBody.of(OperationFailed("it broke"))})
    last = emitted(Output.NDJSON, result, capsys).splitlines()[-1]
    assert json.loads(last)["error"]["message"] == "it broke"


@pytest.mark.parametrize(
    ("name", "output"),
    [("a.csv", Output.CSV), ("a.JSONL", Output.NDJSON), ("a.md", Output.MARKDOWN), ("a", None)],
)
def test_the_name_of_a_file_tells_its_format(name: str, output: Output | None) -> None:
    assert Output.of(Path(name)) is output


@given(st.text())
def test_json_on_a_terminal_means_the_same_and_holds_nothing_that_is_obeyed(text: str) -> None:
    shown = visible_json(json.dumps({text: text}, ensure_ascii=False))
    assert json.loads(shown) == {text: text}
    assert shown == visible(shown)


def test_csv_without_a_row_has_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    assert emitted(Output.CSV, Basket(fruits=[]), capsys) == "name,ripe,seeds\n"


def test_a_result_with_an_error_shows_both_and_has_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = ErrorBody.of(OperationFailed("the basket broke", hint="Mend it."))
    result = Basket(fruits=[], error=error)
    assert emit(result, view) == ExitCode.FAILED
    out, err = capsys.readouterr()
    assert (out, err) == ("0 fruits\n", "error: the basket broke\nhint: Mend it.\n")
    assert json.loads(emitted(Output.JSON, result, capsys))["error"] == {
        "code": "operation_failed",
        "message": "the basket broke",
        "hint": "Mend it.",
    }


@given(st.text())
def test_visible_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = visible(text)
    assert all(c.isprintable() or c in "\n\t" or not c.isascii() for c in shown)
    for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F)):
        assert chr(code) not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edef", "abc\\u202edef"),
        ("\U000e0041", "\\U000e0041"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("[bold]x[/foo]", "[bold]x[/foo]"),
        ("Zürich ☕ 会議", "Zürich ☕ 会議"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001
        ("क्\u200dष", "क्\u200dष"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("a\u200bb\u200ec\u200f", "a\\u200bb\\u200ec\\u200f"),
    ],
)
def test_safe_text_is_one_line_of_what_is_there(text: str, shown: str) -> None:
    assert safe(text).plain == shown


def test_a_notice_stands_above_a_board_that_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("email\na\n")
    env = {"DATABASE_URL": "postgresql://localhost:1/x", "DB_CONNECT_DEADLINE": "1"}
    with Terminal("seed", "load", "x.csv", "--into", "t", env=env, cwd=tmp_path) as terminal:
        assert terminal.finish() == 3
        notices = [line for line in terminal.screen.split("\n") if "waiting for" in line]
    # What a board had on its line is wiped out, by a carriage return, before anything else is said.
    assert [line.rpartition("\r")[2][:11] for line in notices] == ["waiting for"]
