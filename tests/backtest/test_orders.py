"Orders: what may be ordered, and what a bar makes of it."

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.backtest.orders import AT_MARKET, KINDS, Fill, Order, part_of, reach, woken

BAR = (100.0, 106.0, 97.0, 104.0)  # Open, high, low, close


@pytest.mark.parametrize(
    ("shares", "terms", "answer"),
    [
        (1, {"kind": "market"}, ("open", 100)),
        (-1, {"kind": "market"}, ("open", 100)),
        (1, {"kind": "market_on_open"}, ("open", 100)),
        (-1, {"kind": "market_on_close"}, ("close", 104)),
        (1, {"kind": "limit", "limit": 98}, ("inside", 98)),
        (1, {"kind": "limit", "limit": 97}, ("inside", 97)),
        (1, {"kind": "limit", "limit": 96.99}, None),
        (1, {"kind": "limit", "limit": 100}, ("open", 100)),
        (1, {"kind": "limit", "limit": 103}, ("open", 100)),
        (-1, {"kind": "limit", "limit": 105}, ("inside", 105)),
        (-1, {"kind": "limit", "limit": 106}, ("inside", 106)),
        (-1, {"kind": "limit", "limit": 106.01}, None),
        (-1, {"kind": "limit", "limit": 99}, ("open", 100)),
        (1, {"kind": "stop", "stop": 105}, ("inside", 105)),
        (1, {"kind": "stop", "stop": 99}, ("open", 100)),
        (1, {"kind": "stop", "stop": 107}, None),
        (-1, {"kind": "stop", "stop": 98}, ("inside", 98)),
        (-1, {"kind": "stop", "stop": 101}, ("open", 100)),
        (-1, {"kind": "stop", "stop": 96}, None),
        (1, {"kind": "stop_limit", "stop": 105, "limit": 105.5}, ("inside", 105)),
        (1, {"kind": "stop_limit", "stop": 107, "limit": 108}, None),
        # Awake at the open: everything else in the bar comes later.
        (1, {"kind": "stop_limit", "stop": 99, "limit": 100}, ("open", 100)),
        (1, {"kind": "stop_limit", "stop": 99, "limit": 98}, ("inside", 98)),
        (1, {"kind": "stop_limit", "stop": 99, "limit": 96}, None),
        # Awake inside: of what comes after, the close alone is certain.
        (1, {"kind": "stop_limit", "stop": 105, "limit": 104}, ("inside", 104)),
        (1, {"kind": "stop_limit", "stop": 105, "limit": 103.9}, None),
        (-1, {"kind": "stop_limit", "stop": 98, "limit": 97.5}, ("inside", 98)),
        (-1, {"kind": "stop_limit", "stop": 98, "limit": 104}, ("inside", 104)),
        (-1, {"kind": "stop_limit", "stop": 98, "limit": 104.1}, None),
    ],
)
def test_by_hand(shares: float, terms: dict[str, Any], answer: tuple[str, float] | None) -> None:
    assert reach(Order("X", float(shares), **terms), *BAR) == answer


ticks = st.integers(90, 110).map(float)


@st.composite
def bars(draw: st.DrawFn) -> tuple[float, float, float, float]:
    opened, close = draw(ticks), draw(ticks)
    return (
        opened,
        max(opened, close) + draw(st.integers(0, 3)),
        min(opened, close) - draw(st.integers(0, 3)),
        close,
    )


def paths(bar: tuple[float, float, float, float]) -> list[list[float]]:
    "The two simplest stories of a bar, tick by tick: the high first, or the low first."
    opened, high, low, close = map(int, bar)
    stories = []
    for turns in ((opened, high, low, close), (opened, low, high, close)):
        story = [float(opened)]
        for before, after in itertools.pairwise(turns):
            step = 1 if after > before else -1
            story += [float(price) for price in range(before + step, after + step, step)]
        stories.append(story)
    return stories


def told(order: Order, path: list[float]) -> float | None:
    "Fill an order by walking along a path."
    side, awake = math.copysign(1.0, order.shares), "stop" not in order.kind
    for price in path:
        awake = awake or side * (price - order.stop) >= 0
        if awake and ("limit" not in order.kind or side * (price - order.limit) <= 0):
            return price
    return None


@pytest.mark.slow
@settings(max_examples=1_500)
@given(bars(), st.sampled_from(["limit", "stop", "stop_limit"]), st.sampled_from([-1.0, 1.0]), ticks, ticks)
def test_filled_only_by_what_every_path_agrees_on(
    bar: tuple[float, float, float, float], kind: str, side: float, limit: float, stop: float
) -> None:
    terms = {name: value for name, value in (("limit", limit), ("stop", stop)) if name in kind}
    order = Order("X", side, kind, **terms)
    answers = [told(order, path) for path in paths(bar)]
    there = reach(order, *bar)
    assert (there is None) == (None in answers)
    if there is not None:  # Never better than the worst of the stories
        assert side * there[1] >= max(side * answer for answer in answers if answer is not None) - 1e-9
        assert bar[2] <= there[1] <= bar[1]
        assert there[0] != "open" or there[1] == bar[0]


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"kind": "limit"}, "needs a price: limit="),
        ({"kind": "stop"}, "needs a price: stop="),
        ({"kind": "stop_limit", "stop": 9.0}, "needs a price: limit="),
        ({"kind": "limit", "limit": math.inf}, "needs a price"),
        ({"limit": 9.0}, "has no limit"),
        ({"kind": "limit", "limit": 9.0, "stop": 8.0}, "has no stop"),
        ({"kind": "iceberg"}, "kind must be one of market"),
        ({"good": "week"}, "good must be 'gtc' or 'day'"),
        ({"shares": 0.0}, "shares other than zero"),
        ({"shares": math.inf}, "shares other than zero"),
        ({"target": 0.5}, "shares other than zero, or a target"),
        ({"shares": math.nan}, "shares other than zero, or a target"),
        ({"shares": math.nan, "target": math.inf}, "or a target"),
        ({"shares": math.nan, "target": 0.5, "kind": "limit", "limit": 9.0}, "a target is traded at market"),
    ],
)
def test_refusals(terms: dict[str, Any], words: str, refusal: Callable[..., str]) -> None:
    sentence = refusal(ValueError, lambda: Order(**({"symbol": "AAPL", "shares": 1.0} | terms)))
    assert words in sentence and sentence.startswith("AAPL: ")


@pytest.mark.parametrize("kind", AT_MARKET)
def test_a_target_of_zero_is_an_order(kind: str) -> None:
    assert Order("X", target=0.0, kind=kind).target == 0 and kind in KINDS


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Order("X", 1.0).shares = 2.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Fill(1, 0, "X", "market", math.nan, 1.0, 2.0, 0.0, 0.0, 1.0, 5.0).price = 2.0  # type: ignore[misc]


def test_waking() -> None:
    order = Order("X", 1.0, "stop_limit", stop=105.0, limit=104.0, number=3, good="day")
    assert woken(order, 104.9, 90.0) is order
    awake = woken(order, 105.0, 90.0)
    assert (awake.kind, awake.limit, awake.number, awake.good) == ("limit", 104.0, 3, "day")
    short = Order("X", -1.0, "stop_limit", stop=95.0, limit=96.0)
    assert woken(short, 110.0, 95.1) is short and woken(short, 110.0, 95.0).kind == "limit"
    for other in (Order("X", 1.0), Order("X", 1.0, "stop", stop=100.0)):
        assert woken(other, 200.0, 1.0) is other


def test_parts() -> None:
    assert part_of(250.0, 100.0) == 100 and part_of(-250.0, 100.0) == -100 and part_of(50.0, 100.0) == 50
    assert part_of(100.0, 100.0) == 100 and part_of(5.0, 0.0) == 0 and part_of(5.0, -1.0) == 0
    assert part_of(-9.0, 2.7, whole_shares=True) == -2 and part_of(9.0, 0.9, whole_shares=True) == 0
