"""What generated rows are made of: permutations, keys, patterns, meanings."""

import re
from contextlib import suppress
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbctl.errors import UsageError
from dbctl.seed.generate.distinct import Digits, Uuids
from dbctl.seed.generate.expressions import Opaque, parse
from dbctl.seed.generate.limits import Limits
from dbctl.seed.generate.meaning import text_meaning
from dbctl.seed.generate.pairs import Pairs, ValuePart
from dbctl.seed.generate.pools import Pools
from dbctl.seed.generate.randomness import BLOCK, Batch, Permutation
from dbctl.seed.generate.regexes import alphabets_of
from dbctl.seed.generate.request import parse_now, parse_wanted
from dbctl.seed.generate.rules import Choice, Integers, Moments, Several

POOLS = Pools("42", "en")


@given(st.integers(1, 3000), st.text(max_size=3))
def test_a_permutation_has_every_number_once(size: int, salt: str) -> None:
    order = Permutation(size, salt)
    assert sorted(order[number] for number in range(size)) == list(range(size))


@given(st.lists(st.integers(1, 12), min_size=2, max_size=3), st.integers(0, 5000))
def test_a_composite_key_has_every_combination_once(sizes: list[int], share: int) -> None:
    parts = [ValuePart(f"c{place}", range(size)) for place, size in enumerate(sizes)]
    rows = prod(sizes)
    batch = Batch("seed", range(rows), 0)
    pairs = Pairs(parts, rows, 0, share, "", "salt")
    pairs.make(batch)
    assert len(set(zip(*(batch.made[name] for name in pairs.columns), strict=True))) == rows


def test_uuids_differ_also_from_those_of_rows_drawn_one_by_one() -> None:
    rule = Uuids("seed", "t", "id")
    block = rule.draw(Batch("seed", range(BLOCK), 0), "id")
    scattered = rule.draw(Batch("seed", range(BLOCK, 2 * BLOCK), None), "id")
    assert len({*block, *scattered}) == 2 * BLOCK
    assert {(value.version, value.variant) for value in block} == {  # type: ignore[attr-defined]
        (4, "specified in RFC 4122")
    }
    assert scattered[7] == rule.at((BLOCK + 7,))[0]


@pytest.mark.parametrize(
    "rule",
    [
        Choice("", ["a", "b", "c"], [5, 1, 0]),
        Integers("", -5, 10**12),
        Integers("", 1, 20, skewed=True),
        Several(Choice("", ["a", "b"]), 0, 4),
        Moments("", parse_now("2026-01-01"), parse_now("2026-01-01") - parse_now("2025-01-01")),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_fewer_rows_of_a_block_are_its_first_ones(rule: Integers) -> None:
    whole = rule.draw(Batch("seed", range(BLOCK), 3), "c")
    assert rule.draw(Batch("seed", range(77), 3), "c") == whole[:77]
    assert rule.draw(Batch("seed", range(77), 4), "c") != whole[:77]
    assert rule.draw(Batch("other", range(77), 3), "c") != whole[:77]


def test_what_is_scattered_is_the_same_in_a_block_and_alone() -> None:
    rule = Integers("", 0, 10**6)
    block = Batch("seed", range(BLOCK), 0, frozenset({"c"}))
    alone = Batch("seed", [7, 1000], None)
    assert rule.draw(alone, "c") == [rule.draw(block, "c")[7], rule.draw(block, "c")[1000]]


def test_weights_are_kept() -> None:
    drawn = Choice("", ["a", "b", "c"], [9, 1, 0]).draw(Batch("seed", range(BLOCK), 0), "c")
    assert 0.87 < drawn.count("a") / BLOCK < 0.93
    assert "c" not in drawn


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{2}-[0-9]{3,5}$",
        r"^\d{4}$",
        r"^[a-z0-9]+(-[a-z0-9]+)*$",
        r"^\+[1-9][0-9]{6,14}$",
        r"^#[0-9a-f]{6}$",
        r"^[^@]+@[^@]+\.[a-z]{2,}$",
        r"^(EUR|USD)$",
        r"^a?b*c$",
        "x",
    ],
)
@pytest.mark.parametrize("widest", [False, True])
def test_texts_of_a_pattern_match_it_and_differ(pattern: str, widest: bool) -> None:
    alphabets = alphabets_of(pattern, Limits(max_length=20), widest=widest)
    assert alphabets is not None
    rule = Digits("", alphabets, "salt")
    count = min(rule.capacity or 0, 500)
    texts = [str(text) for text in rule.at(range(count))]
    assert len(set(texts)) == count
    assert all(re.search(pattern, text) and len(text) <= 20 for text in texts)


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", r"[", r"\bword"])
def test_a_pattern_that_is_not_simple_has_no_alphabets(pattern: str) -> None:
    assert alphabets_of(pattern, Limits()) is None


@pytest.mark.parametrize(
    ("column", "table", "sample"),
    [
        ("email", "users", r"[a-z]+\.[a-z]+@example\.com"),
        ("workEmail", "users", r".+@example\.com"),
        ("name", "customers", r".+ .+"),
        ("homepage", "companies", r"https://.+\.example\.com/"),
        ("password_hash", "users", r"!unusable\$[0-9a-f]+"),
        ("phone", "users", r"\+1-\d{3}-555-01\d\d"),
        ("slug", "posts", r"[a-z]+-[a-z]+"),
        ("client_ip", "requests", r"10\.\d+\.\d+\.\d+"),
    ],
)
def test_a_name_tells_what_its_column_holds(column: str, table: str, sample: str) -> None:
    meaning = text_meaning(column, table, POOLS)
    assert meaning is not None
    assert all(re.fullmatch(sample, value) for value in list(meaning.values())[:200])


def test_a_name_that_tells_nothing_has_no_meaning() -> None:
    assert text_meaning("xyzzy", "t", POOLS) is None


def test_counts_are_read_as_people_write_them() -> None:
    counts = [wanted.count for wanted in parse_wanted(["a=10", "b=10k", "c=1.5M", "d=1_000"])]
    assert counts == [10, 10_000, 1_500_000, 1_000]
    assert parse_wanted(['"odd = schema"."T"=5'])[0].name == '"odd = schema"."T"'
    with pytest.raises(UsageError):
        parse_wanted([])


@given(st.text(alphabet="ab()'\"=<>andornot:[],.1 \\", max_size=30))
def test_whatever_stands_in_a_check_is_read_or_left_to_the_server(text: str) -> None:
    with suppress(Opaque):
        parse(text)
