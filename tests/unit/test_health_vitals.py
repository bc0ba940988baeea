"""What is told of counters that rise, begin anew, or of a clock that stands still."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dbctl.health.watch.sparkline import GAP, sparkline
from dbctl.health.watch.vitals import TICKS, History, Rates, Sample, began_anew, rates

START = datetime(2026, 1, 1, tzinfo=UTC)
COUNTERS = ("commits", "rollbacks", "hits", "misses", "rows_read", "rows_written")
ZERO = Sample(
    taken=0.0, reset_at=None, started_at=START, **dict.fromkeys(COUNTERS, 0), own_commits=0
)
COUNTS = st.integers(min_value=0, max_value=2**63 - 1)
SAMPLES = st.builds(
    Sample,
    taken=st.floats(min_value=0, max_value=1e6),
    reset_at=st.sampled_from([None, START, START + timedelta(hours=1)]),
    started_at=st.sampled_from([START, START + timedelta(hours=1)]),
    own_commits=st.integers(min_value=0, max_value=10**6),
    **dict.fromkeys(COUNTERS, COUNTS),
)


def later(sample: Sample, seconds: float, **done: int) -> Sample:
    counted = {name: getattr(sample, name) + count for name, count in done.items()}
    return replace(sample, taken=sample.taken + seconds, **counted)


@given(before=SAMPLES, after=SAMPLES)
def test_no_rate_is_ever_negative_and_no_share_beyond_a_whole(
    before: Sample, after: Sample
) -> None:
    found = rates(before, after)
    assert (found is None) == (after.taken <= before.taken or began_anew(before, after))
    if found is not None:
        known = [value for one in fields(Rates) if (value := getattr(found, one.name)) is not None]
        assert min(known) >= 0
        assert found.cache_hit_percent is None or found.cache_hit_percent <= 100


@given(samples=st.lists(SAMPLES, max_size=80))
def test_a_history_of_any_samples_can_be_told(samples: list[Sample]) -> None:
    history = History()
    for sample in samples:
        history.add(sample)
        for found in (history.recent(), history.whole()):
            assert found is None or found.seconds > 0


@given(sample=SAMPLES)
def test_no_time_makes_no_rate(sample: Sample) -> None:
    assert rates(sample, sample) is None
    assert rates(sample, later(sample, -1.0)) is None


def test_rates_are_per_second_and_without_who_looks() -> None:
    after = later(
        ZERO, 4.0, commits=50, own_commits=10, rollbacks=2, hits=99, misses=1, rows_read=8
    )
    assert rates(ZERO, after) == Rates(
        seconds=4.0,
        commits_per_second=10.0,
        rollbacks_per_second=0.5,
        rows_read_per_second=2.0,
        rows_written_per_second=0.0,
        cache_hit_percent=99.0,
    )
    # The server reports what it did a moment late.
    late = later(ZERO, 1.0, own_commits=10)
    found = rates(ZERO, late)
    assert found is not None
    assert found.commits_per_second == 0.0


def test_counters_that_begin_anew_are_compared_with_themselves_alone() -> None:
    history = History()
    for second in range(5):
        history.add(later(ZERO, second, commits=1000 * second))
    assert history.recent() is not None
    reset = replace(ZERO, taken=5.0, commits=3)
    history.add(reset)
    assert history.recent() is None
    assert history.whole() is None
    history.add(later(reset, 2.0, commits=20))
    whole = history.whole()
    assert whole is not None
    assert (whole.seconds, whole.commits_per_second) == (2.0, 10.0)


def test_a_reset_is_noticed_where_the_counters_have_grown_past_the_old_ones() -> None:
    grown = replace(ZERO, taken=1.0, commits=10**6)
    assert rates(ZERO, grown) is not None
    assert rates(ZERO, replace(grown, reset_at=START)) is None
    assert rates(ZERO, replace(grown, started_at=START + timedelta(seconds=1))) is None


def test_a_rate_is_over_the_last_moments_and_the_hits_over_all_ticks() -> None:
    history = History()
    for tick in range(TICKS * 2):
        history.add(later(ZERO, tick * 0.5, commits=tick, hits=tick))
    recent, whole = history.recent(), history.whole()
    assert recent is not None
    assert whole is not None
    assert (recent.seconds, whole.seconds) == (2.0, TICKS * 0.5)
    history.forget()
    assert history.recent() is None


@given(values=st.lists(st.none() | st.floats(min_value=0, max_value=1e9), max_size=100))
def test_a_sparkline_has_one_character_for_each_value(values: list[float | None]) -> None:
    drawn = sparkline(values)
    assert len(drawn) == len(values)
    assert [block == GAP for block in drawn] == [value is None for value in values]


def test_a_sparkline_is_as_high_as_its_values() -> None:
    assert sparkline([0.0, 1.0, None, 4.0, 8.0]) == "▁▂x▅█"
    assert sparkline([0.0, 0.0]) == "▁▁"
