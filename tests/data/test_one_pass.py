"The pass, piece by piece: the median that is not computed, one row, and jumps against pandas."

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.data.findings import DAY, NO_TIME, Table
from alphatwin.data.one_pass import (
    BITS,
    COUNTED,
    LEAST,
    TIMES,
    WINDOW,
    Asked,
    look_closely,
    low_bound,
    pass_rows,
    scan_plainly,
    stands_out,
)

PLAIN = Asked(0.0, False, False)
NEVER = np.iinfo(np.int64).max
# Few different sizes make ties, zeros and halves; a move may hit 12 x a size or 12 x a mean of two exactly.
SIZES = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]), min_size=1, max_size=WINDOW)


def run(
    close: np.ndarray, time: np.ndarray | None = None, **more: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    "The pass over one symbol; open, high and low are the close."
    time = np.arange(len(close)) * DAY if time is None else time
    volume = more.get("volume", close)
    days = np.append(more.get("days", np.empty(0, np.int64)), NEVER)
    mask, counts = np.zeros(len(close), np.uint8), np.zeros((1, len(COUNTED)), np.int64)
    columns = tuple(more.get(name, close) for name in ("open", "high", "low")) + (close, volume)
    starts = np.array([0, len(close)])
    asked = Asked(0.0, "volume" in more, "days" in more)
    pass_rows(time, columns, starts, days, asked, 0, 1, mask, counts)
    return mask, counts[0]


def jumps_by_pandas(close: np.ndarray) -> list[int]:
    move = pd.Series(close).pct_change().abs()
    median = move.rolling(WINDOW, min_periods=LEAST).median().shift()
    return np.flatnonzero(move > TIMES * median).tolist()


def test_the_names_of_the_bits() -> None:
    assert list(BITS.values()) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert COUNTED == [
        "missing_value",
        "not_positive",
        "price_order",
        "duplicate_time",
        "unsorted_time",
        "zero_volume",
        "off_calendar",
        "jump",
        "missing_session",
    ]
    assert (WINDOW, LEAST, TIMES) == (63, 21, 12.0)


@settings(max_examples=500)
@given(sizes=SIZES, move=st.sampled_from([0.0, 0.1, 3.0, 6.0, 9.0, 12.0, 18.0, 24.0, 24.1, 30.0, 36.0, 37.0]))
def test_counting_says_what_the_median_says(sizes: list[float], move: float) -> None:
    before = np.array(sizes)
    assert stands_out(move, before, len(before)) == (move > 12 * np.median(before))


@settings(max_examples=300)
@given(sizes=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=WINDOW), share=st.floats(0.5, 2))
def test_counting_says_what_the_median_says_of_any_sizes(sizes: list[float], share: float) -> None:
    before = np.array(sizes)
    move = share * 12 * float(np.median(before))
    assert stands_out(move, before, len(before)) == (move > 12 * np.median(before))


def test_only_the_first_sizes_count() -> None:
    before = np.array([1.0, 1.0, 1.0, 100.0, 100.0, 100.0, 100.0])
    assert stands_out(13.0, before, 3) and not stands_out(13.0, before, 7)
    assert low_bound(before, 3) == (pytest.approx(0.35), 0)


@given(sizes=SIZES)
def test_the_low_bound_counts_what_is_below_it(sizes: list[float]) -> None:
    before = np.array(sizes)
    bound, under = low_bound(before, len(before))
    assert bound == pytest.approx(0.35 * before.mean()) and under == (before < bound).sum()


@pytest.mark.parametrize(
    ("bar", "bits", "usable"),
    [
        ((10, 11, 9, 10, 5), 0, True),
        ((10, 10, 10, 10, 0), 0, True),
        ((10, 9, 9, 9, 5), 4, True),
        ((10, 11, 10.5, 11, 5), 4, True),
        ((10, 9, 11, 10, 5), 4, True),
        ((10, 10 * (1 - 1e-12), 9, 10, 5), 0, True),
        ((10, 10 * (1 - 1e-8), 9, 10, 5), 4, True),
        ((10, 11, 10 * (1 + 1e-12), 10, 5), 0, True),
        ((10, 11, 10 * (1 + 1e-8), 10, 5), 4, True),
        ((np.nan, 11, 9, 10, 5), 1, False),
        ((10, np.inf, 9, 10, 5), 1, False),
        ((10, 11, -np.inf, 10, 5), 1, False),
        ((10, 11, 9, 10, np.nan), 1, True),
        ((10, 11, 9, 10, -np.inf), 1, True),
        ((10, 11, 9, 10, -1), 2, True),
        ((10, 11, 0, 10, 5), 2, False),
        ((10, 11, -1, 10, 5), 2, False),
        ((np.nan, 11, 0, 10, 5), 3, False),
        ((-1, 11, 9, 10, np.nan), 7, False),
    ],
)
def test_one_bar(bar: tuple[float, ...], bits: int, usable: bool) -> None:
    values = [float(value) for value in bar]
    assert look_closely(*values, 0.0, True) == (bits, usable)


def test_a_bar_where_prices_may_be_negative_and_one_without_volume() -> None:
    assert look_closely(-1.0, 1.0, -2.0, 0.0, 5.0, -np.inf, True) == (0, True)
    assert look_closely(-1.0, 1.0, -2.0, 0.0, -5.0, -np.inf, True) == (2, True)
    assert look_closely(10.0, 11.0, 9.0, 10.0, np.nan, 0.0, False) == (0, True)
    assert look_closely(10.0, 11.0, 9.0, 10.0, -5.0, 0.0, False) == (0, True)


def path(seed: int, kind: str) -> np.ndarray:
    "Closes whose habits change: what makes a bound stale."
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 700))
    move = rng.standard_t(2, size) * 0.01
    if kind == "calm and storm":
        move *= np.where(np.arange(size) // 50 % 2, 0.02, 1.0)
    elif kind == "mostly still":
        move[rng.random(size) < rng.uniform(0.3, 0.95)] = 0.0
    elif kind == "in ticks":
        return np.maximum(1.0, np.round(20 + rng.integers(-1, 2, size).cumsum() * 0.25, 2))
    return 50 * np.exp(np.clip(move, -1, 1).cumsum() * 0.3)


@pytest.mark.parametrize("kind", ["plain", "calm and storm", "mostly still", "in ticks"])
def test_jumps_are_those_of_pandas(kind: str) -> None:
    found = 0
    for seed in range(150):
        close = path(seed, kind)
        mask, counts = run(close)
        jumps = np.flatnonzero(mask & BITS["jump"]).tolist()
        assert jumps == jumps_by_pandas(close), seed
        assert counts[7] == len(jumps)
        found += len(jumps)
    assert found > 50


def test_the_first_jump_needs_21_moves_before_it() -> None:
    close = 100.0 + np.arange(40) % 2
    for place, found in ((21, []), (22, [22])):
        jumped = close.copy()
        jumped[place] *= 1.5
        # The way back is a jump as well, once there is a yardstick.
        assert np.flatnonzero(run(jumped)[0][: place + 1] & 128).tolist() == found


def test_the_yardstick_is_the_last_63_moves_and_no_more() -> None:
    "After a storm, 32 calm moves of 63 bring the median down."
    storm = 100 * np.cumprod(np.where(np.arange(80) % 2, 1.1, 1 / 1.1))
    for calm, found in ((31, False), (32, True)):
        quiet = storm[-1] * np.cumprod(np.where(np.arange(calm) % 2, 1.001, 1 / 1.001))
        close = np.concatenate([storm, quiet, [quiet[-1] * 1.05]])
        assert bool(run(close)[0][-1] & 128) == found


def test_missing_sessions_are_counted_between_the_first_and_the_last_row() -> None:
    days = np.arange(10) * DAY
    time = days[[2, 3, 6, 7]]
    mask, counts = run(np.full(4, 10.0), time, days=days)
    assert counts[8] == 2 and not mask.any()
    mask, counts = run(np.full(4, 10.0), time + 1, days=days)
    assert (mask == BITS["off_calendar"]).all() and counts[6] == 4 and counts[8] == 5


def test_rows_without_a_date_stand_outside() -> None:
    days = np.arange(5) * DAY
    time = np.array([NO_TIME, days[0], NO_TIME, days[0], days[1], NO_TIME])
    mask, counts = run(np.arange(1.0, 7), time, days=days)
    assert mask.tolist() == [1, 0, 1, 8, 0, 1] and counts[[0, 3, 8]].tolist() == [3, 1, 0]


def test_a_row_that_comes_too_late_stops_the_symbol_and_no_other() -> None:
    time = np.array([0, 2, 1, 3, 0, 1, 2, 2]) * DAY
    close, mask, counts = np.full(8, 5.0), np.zeros(8, np.uint8), np.zeros((2, 9), np.int64)
    pass_rows(time, (close,) * 5, np.array([0, 4, 8]), np.array([NEVER]), PLAIN, 0, 2, mask, counts)
    assert counts[:, 4].tolist() == [-1, 0] and counts[1, 3] == 1 and mask[4:].tolist() == [0, 0, 0, 8]


def test_only_the_symbols_that_are_asked_for() -> None:
    time, close = np.tile(np.arange(3) * DAY, 3), np.full(9, -1.0)
    mask, counts = np.zeros(9, np.uint8), np.zeros((3, 9), np.int64)
    pass_rows(time, (close,) * 5, np.array([0, 3, 6, 9]), np.array([NEVER]), PLAIN, 1, 2, mask, counts)
    assert mask.tolist() == [0] * 3 + [2] * 3 + [0] * 3 and counts[:, 1].tolist() == [0, 3, 0]


def test_no_jump_is_carried_from_one_symbol_to_the_next() -> None:
    "Two calm symbols at 10 and at 1,000: where one ends and the other begins nothing jumped."
    calm = 10 + 0.01 * (np.arange(80) % 2)
    close, time = np.concatenate([calm, 100 * calm]), np.tile(np.arange(80) * DAY, 2)
    mask, counts = np.zeros(160, np.uint8), np.zeros((2, 9), np.int64)
    pass_rows(time, (close,) * 5, np.array([0, 80, 160]), np.array([NEVER]), PLAIN, 0, 2, mask, counts)
    assert not mask.any() and not counts.any()


def test_zero_volume_needs_a_volume_somewhere() -> None:
    close = np.full(4, 5.0)
    assert run(close, volume=np.array([0.0, 0, 3, 0]))[0].tolist() == [32, 32, 0, 32]
    mask, counts = run(close, volume=np.zeros(4))
    assert not mask.any() and not counts.any()
    mask, counts = run(np.array([5.0, np.nan, 5, 5]), volume=np.zeros(4))
    assert mask.tolist() == [0, 1, 0, 0] and counts.tolist() == [1] + [0] * 8


def test_the_plain_version_by_hand() -> None:
    time = np.array([3, 1, 1, NO_TIME, 4]) * np.array([DAY, DAY, DAY, 1, DAY])
    columns = {
        "open": np.array([10, 10, 10, 10, 10.0]),
        "high": np.array([11, 11, 9, 11, np.inf]),
        "low": np.array([9, 9, 9, 0, 9.0]),
        "close": np.array([10, 10, 10, 10, 10.0]),
        "volume": np.array([1, 0, 1, 1, -1.0]),
    }
    mask, gaps = scan_plainly(Table(time, columns))
    assert mask.tolist() == [0, 16 + 32, 4 + 8, 1 + 2, 1 + 2] and gaps == 0
