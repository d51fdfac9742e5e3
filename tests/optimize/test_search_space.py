"What may be tried, what is wanted and who proposes it: axes, spaces, objectives, proposals."

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

import alphatwin as at
from alphatwin.optimize.axes import Choice, Range, axis_of
from alphatwin.optimize.objectives import Objective, beyond, constraints_of, objective_of, over_parts, score
from alphatwin.optimize.proposals import METHODS, proposer_of
from alphatwin.optimize.space import first_feasible, grid_of, refusals_of, space_of

Refusal = Callable[..., str]
NAN = float("nan")


def drawn(method: str, space: Any, budget: int, seed: int = 0) -> list[dict[str, Any]]:
    proposer, points = proposer_of(method, space, budget, seed), []
    while len(points) < budget:
        points += proposer.ask(min(7, budget - len(points)))
    return points


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 9), st.floats(0, 1))
def test_a_whole_range_has_every_value_and_no_other(low: int, more: int, step: int, unit: float) -> None:
    axis, values = Range(low, low + more, step), list(range(low, low + more + 1, step))
    assert axis.size == len(values) and axis.at(unit) in values and axis.at(0.0) == low
    assert axis.spread(10**6) == values
    places = [axis.at((place + 0.5) / len(values)) for place in range(len(values))]
    assert places == values, "each value owns an equal part of the unit interval"


@given(st.floats(1e-6, 1e3), st.floats(1.01, 1e4), st.floats(0, 1))
def test_a_logarithmic_range_makes_ratios_equal(low: float, ratio: float, unit: float) -> None:
    axis = Range(low, low * ratio, log=True)
    assert math.isclose(axis.at(unit), low * ratio**unit, rel_tol=1e-9)


def test_axes_are_read_as_they_are_typed() -> None:
    assert axis_of("a", (5, 100)) == Range(5, 100) and axis_of("a", (0.5, 2)) == Range(0.5, 2.0)
    assert axis_of("a", range(5, 100, 5)) == Range(5, 95, 5) and axis_of("a", 7) == Choice((7,))
    assert axis_of("a", [True, False]) == Choice((True, False)) and axis_of("a", "x") == Choice(("x",))


def test_a_grid_is_the_finest_product_that_fits() -> None:
    space = space_of({"a": (0, 4), "b": (0.0, 1.0), "c": ["x", "y"]})
    points = [tuple(point.values()) for point in grid_of(space, 18)]
    assert points == list(itertools.product([0, 2, 4], [0.0, 0.5, 1.0], ["x", "y"]))
    assert len(grid_of(space, 49)) == 32 and len(grid_of(space, 50)) == 50


def test_sobol_and_latin_are_those_of_scipy() -> None:
    space = space_of({"a": (0.0, 1.0), "b": (-3.0, 5.0), "c": (0.0, 1.0)})
    known = {"sobol": qmc.Sobol(3, scramble=True, rng=4), "latin": qmc.LatinHypercube(3, rng=4)}
    for method, engine in known.items():
        expected = qmc.scale(engine.random(64), [0, -3, 0], [1, 5, 1])
        got = np.array([list(point.values()) for point in drawn(method, space, 64, 4)])
        assert np.allclose(got, expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("method", ["sobol", "latin"])
def test_even_darts_hit_every_column_once(method: str) -> None:
    points = drawn(method, space_of({"a": (0.0, 1.0), "b": (0.0, 1.0)}), 64, 3)
    for name in ("a", "b"):
        assert sorted(int(64 * point[name]) for point in points) == list(range(64))


@pytest.mark.parametrize("method", ["tpe", "cma"])
def test_learners_find_a_planted_top(method: str) -> None:
    space = space_of({"a": (0.0, 1.0), "b": (0.0, 1.0)})
    for seed in range(3):
        proposer, seen = proposer_of(method, space, 100, seed), list[float]()
        while len(seen) < 100:
            (point,) = proposer.ask(1)
            value = -math.hypot(point["a"] - 0.7, point["b"] - 0.3)
            proposer.tell([(value,)])
            seen.append(value)
        blind = [-math.hypot(p["a"] - 0.7, p["b"] - 0.3) for p in drawn("random", space, 100, seed)]
        assert max(seen) > -0.03 and np.mean(seen[50:]) > np.mean(blind) + 0.15


def test_nsga2_keeps_both_ends_of_a_planted_front() -> None:
    space = space_of({"a": (0.0, 1.0), "b": (0.0, 1.0)})
    proposer, late = proposer_of("nsga2", space, 200, 1, 2), []
    for trial in range(200):
        (point,) = proposer.ask(1)
        proposer.tell([(point["a"] - point["b"], -point["a"] - point["b"])])  # Best where b is 0, whatever a
        late += [point] if trial >= 140 else []
    assert np.median([point["b"] for point in late]) < 0.2, "by chance it would be 0.5"
    assert np.ptp([point["a"] for point in late]) > 0.6


def test_penalties_by_hand() -> None:
    returns = np.tile([0.01, -0.005, 0.002, 0.0], 30)
    wanted = Objective("sharpe", trades=0.02, drawdown=0.5, instability=2.0, parts=3)
    parts = [np.sqrt(252) * one.mean() / one.std(ddof=1) for one in np.split(returns, 3)]
    assert np.allclose(over_parts(returns, "sharpe", 3), parts)
    got, said = score(wanted, {"sharpe": 0.9, "trades": 12.0, "max_drawdown": -0.2}, 4.0, returns)
    assert said == "ok" and np.isclose(got, 0.9 - 0.02 * 3 - 0.1 - 2 * np.std(parts, ddof=1))
    uneven = np.r_[np.full(40, 0.001) + np.tile([0.002, -0.002], 20), np.tile([0.01, -0.012], 40)]
    some = {"sharpe": 0.5, "trades": 3.0, "max_drawdown": -0.1}
    assert score(wanted, some, 4.0, uneven)[0] < score(wanted, some, 4.0, returns)[0] - 1


def test_constraints_are_read_and_the_first_broken_one_is_named() -> None:
    fence, limits = constraints_of(
        [lambda p: p["a"] > 1, {"trades": (10, None)}, lambda p: p["a"] < 5, {"max_drawdown": (-0.3, -0.1)}]
    )
    assert fence is not None and [fence({"a": one}) for one in (1, 3, 5)] == [False, True, False]
    assert limits == {"trades": (10, math.inf), "max_drawdown": (-0.3, -0.1)}
    for trades, fall, said in (
        (10.0, -0.3, ""),
        (9.0, -0.9, "trades is below 10"),
        (99.0, -0.31, "max_drawdown is below -0.3"),
        (99.0, -0.05, "max_drawdown is above -0.1"),
        (NAN, -0.2, "trades is undefined"),
    ):
        assert beyond(limits, {"trades": trades, "max_drawdown": fall}) == said


def test_an_objective_that_fails_says_why() -> None:
    def broken(metrics: dict[str, float]) -> float:
        raise RuntimeError("two\nlines")

    for wanted, words in (
        (broken, "the objective raised RuntimeError: two"),
        (lambda metrics: NAN, "the objective is nan"),
        (lambda metrics: math.inf, "the objective is inf"),
        (lambda metrics: None, "the objective raised TypeError: float() argument"),
        (Objective("sharpe"), "sharpe is undefined"),
    ):
        value, said = score(wanted, {"sharpe": NAN}, 1.0)
        assert math.isnan(value) and said.startswith(words) and "\n" not in said


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Range(1, 1), "a range goes up, got 1 to 1"),
        (lambda: Range(0, 9, log=True), "begins above 0"),
        (lambda: Range(0.0, 9.0, 2), "a step is a whole number"),
        (lambda: Range(0, NAN), "got high=nan"),
        (lambda: Range(False, True), "got low=False"),
        (lambda: axis_of("fast", (1, 2, 3)), "fast: a tuple is (low, high)"),
        (lambda: axis_of("fast", {1, 2}), "fast: it is a set"),
        (lambda: axis_of("fast", []), "fast: it has no values"),
        (lambda: space_of([1, 2]), "a space is a mapping"),
        (lambda: space_of({1: (2, 3)}), "parameters are named by text"),
        (lambda: space_of({"a": 3}), "no parameter varies"),
        (lambda: space_of({"a": (3, 4)}, where="a < 4"), "where= is a function"),
        (lambda: grid_of(space_of({"a": list(range(9))}), 8), "a grid needs every choice, which is 9 points"),
        (lambda: Objective("sharp"), "the nearest is sharpe"),
        (lambda: Objective(drawdown=-1), "a penalty is a number, 0 or more"),
        (lambda: Objective(trades=True), "a penalty is a number"),
        (lambda: Objective(instability=1, parts=1), "at least 2 parts"),
        (lambda: Objective("exposure", instability=1), "no metric of returns"),
        (lambda: objective_of(4), "an objective is a metric's name"),
        (lambda: over_parts(np.zeros(5), "sharpe", 3), "3 parts need at least 6 bars, got 5"),
        (lambda: constraints_of("a < b"), "a constraint is a function of the parameters"),
        (lambda: constraints_of({}), "a constraint is a function of the parameters"),
        (lambda: constraints_of({"trades": 10}), "trades has a lowest and a highest value"),
        (lambda: constraints_of({"trades": (9, 3)}), "no trades lies between 9 and 3"),
        (lambda: constraints_of({"trade": (3, 9)}), "the nearest is trades"),
        (lambda: proposer_of("bayes", space_of({"a": (1, 9)}), 5, 1), "no method 'bayes'"),
        (lambda: proposer_of("cma", space_of({"a": (1, 9), "b": [1, 2]}), 5, 1), "b is a choice; take tpe"),
        (lambda: proposer_of("cma", space_of({"a": (1, 9)}), 5, 1), "only a varies"),
        (lambda: proposer_of("halving", space_of({"a": (1, 9)}), 5, 1, 2), "follows one objective, got 2"),
    ],
)
def test_what_is_refused(refusal: Refusal, call: Callable[..., object], words: str) -> None:
    assert words in refusal(ValueError, call)


def test_constraints_that_nobody_meets_are_said_in_one_line(refusal: Refusal, spx: pd.DataFrame) -> None:
    small = space_of({"fast": (50, 60), "slow": (20, 40)})
    said = refusal(ValueError, first_feasible, small, at.sma_cross, spx)
    assert said.startswith("none of the 231 points of the space is feasible (fast must be smaller than slow)")
    large = space_of({"fast": (5, 200), "slow": (20, 400)}, where=lambda p: p["fast"] > p["slow"])
    assert "no point in 10,000 tries" in refusal(ValueError, first_feasible, large, at.sma_cross, spx)
    loud = space_of({"a": (1, 9)}, where=lambda p: p["b"])
    assert "the constraint failed at {'a': 1}: KeyError" in refusal(ValueError, loud.allows, {"a": 1})
    vague = space_of({"a": (1, 9)}, where=lambda p: 1)
    assert "answers True or False, got 1" in refusal(ValueError, vague.allows, {"a": 1})


def test_refusals_are_in_the_order_of_the_points(spx: pd.DataFrame) -> None:
    space = space_of({"fast": (1, 99), "slow": (1, 99)}, where=lambda p: p["slow"] != 50)
    points = [{"fast": 9, "slow": 50}, {"fast": 9, "slow": 51}, {"fast": 60, "slow": 51}]
    assert refusals_of(space, at.sma_cross, spx, points) == [
        "a constraint says no",
        "",
        "fast must be smaller than slow",
    ]


def test_every_method_stays_inside_and_repeats_itself() -> None:
    space = space_of({"a": (3, 40), "b": (0.1, 9.0), "d": 5})
    for method in METHODS:
        one, two = (proposer_of(method, space, 25, 9).ask(1) for _ in range(2))
        assert one == two and all(3 <= p["a"] <= 40 and 0.1 <= p["b"] <= 9 and p["d"] == 5 for p in one)
