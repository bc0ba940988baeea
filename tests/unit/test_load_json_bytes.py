"""What is no JSON to load is found in its bytes, wherever the reading cuts them in two."""

import io

import pytest

from dbctl.seed.load.faults import FileFault
from dbctl.seed.load.json_bytes import Whole


def read(text: str, size: int) -> bytes:
    stream = Whole(io.BufferedReader(io.BytesIO(text.encode())), "x.json")
    return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("size", range(1, 30))
@pytest.mark.parametrize(
    ("text", "byte"),
    [
        (r'["a\ud800"]', 4),
        (r'["\ud83d\ude00 \ude00"]', 16),
        (r'["\\\ud83d\n"]', 5),
        (r'["\uD83D\uD83D\uDE00"]', 3),
    ],
)
def test_a_half_is_told_with_its_place(text: str, byte: int, size: int) -> None:
    with pytest.raises(FileFault, match=rf"at byte {byte},"):
        read(text, size)


@pytest.mark.parametrize("size", range(1, 30))
@pytest.mark.parametrize(
    "text", [r'["\ud83d\ude00\ud83d\ude00"]', r'["\\ud800"]', r'["\\\\ud800 \t\u00d8"]', "[1]"]
)
def test_pairs_and_what_only_looks_like_an_escape_pass(text: str, size: int) -> None:
    assert read(text, size) == text.encode()


def test_arrays_without_end_are_told_before_they_take_the_memory() -> None:
    with pytest.raises(FileFault, match="more than 1,000 arrays within each other after byte 2000"):
        read("[1], " * 400 + "[" * 5000, 2000)
    assert read("[]" * 5000, 4096) == b"[]" * 5000
    text = '["' + "{" * 5000 + '\\"[[["]'
    assert read(text, 65536) == text.encode()
