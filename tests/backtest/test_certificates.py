"Every exported indicator and strategy has its certificate; a new one without fails here."

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
import alphatwin.signals as signals

Market = Callable[..., pd.DataFrame]
Rule = Callable[[pd.DataFrame], Any]

CROSS = (signals.sma_cross, {"fast": 3, "slow": 10})
# What takes prices is tried on closes; what takes bars, on bars; what takes several symbols, on a long table.
PRICES: dict[str, dict[str, Any]] = {
    "sma": {"window": 5},
    "ema": {"window": 5},
    "wilder": {"window": 5},
    "wma": {"window": 5},
    "momentum": {"window": 4},
    "roc": {"window": 4},
    "rsi": {"window": 5},
    "macd": {"fast": 3, "slow": 6, "signal": 4},
    "bollinger": {"window": 5},
    "zscore": {"window": 5},
    "rolling_drawdown": {"window": 6},
}
BARS: dict[str, dict[str, Any]] = {
    "aroon": {"window": 5},
    "atr": {"window": 5},
    "cci": {"window": 5},
    "directional": {"window": 4},
    "donchian": {"window": 6},
    "keltner": {"window": 5},
    "mfi": {"window": 5},
    "obv": {},
    "realised_volatility": {"window": 5, "estimator": "yang_zhang"},
    "stochastic": {"window": 5},
    "true_range": {},
    "williams_r": {"window": 5},
    "buy_and_hold": {},
    "sma_cross": {"fast": 3, "slow": 10},
    "ema_cross": {"fast": 3, "slow": 10},
    "donchian_breakout": {"entry": 10, "leave": 5, "short": True},
    "macd_cross": {},
    "faber_timing": {"months": 2},
    "time_series_momentum": {"months": 2},
    "rsi_reversion": {"below": 40, "trend": 10},
    "bollinger_reversion": {"width": 1.5, "short": True},
    "turn_of_the_month": {},
    "volatility_target": {"window": 21},
}
SEVERAL: dict[str, dict[str, Any]] = {
    "dual_momentum": {"months": 1, "top": 2},
    "cross_sectional_momentum": {"months": 2, "fraction": 0.3},
    "wide_prices": {},
}
# Functions that make a strategy, or need more than one table: how each is tried.
MADE: dict[str, Rule] = {
    "combine": signals.combine([CROSS, signals.macd_cross], [0.5, 0.7]),
    "vote": signals.vote([CROSS, signals.buy_and_hold, (signals.ema_cross, {"fast": 2, "slow": 5})]),
    "filter_by": signals.filter_by(signals.buy_and_hold, CROSS),
    "multi": signals.multi({"cross": CROSS, "macd": signals.macd_cross}),
    "cap": signals.cap(CROSS, most=0.5),
    "scale_to_volatility": signals.scale_to_volatility(CROSS, window=10),
    "hold": lambda bars: signals.hold(bars["close"] > bars["open"], bars["close"] < bars["low"].shift(1)),
    "rolling_beta": lambda bars: signals.rolling_beta(
        bars["close"].pct_change().fillna(0.0), bars["open"].pct_change().fillna(0.0), 6
    ),
    "compare_averages": lambda bars: signals.compare_averages(bars["close"].round(2), 3, 8, tick=0.01),
}
PANELS: dict[str, Rule] = {
    "for_each": signals.for_each(CROSS),
    "pairs_zscore": lambda bars: signals.pairs_zscore(bars, 15, 1.0),
}
NO_RULE = {"check_target": "it refuses or returns nothing"}


def many(market: Market) -> pd.DataFrame:
    "Four symbols, one of them listed later."
    parts = {f"S{number}": market(number + 20, 120) for number in range(4)}
    parts["S1"] = parts["S1"].iloc[40:]
    return pd.concat(parts, names=["symbol", "time"])


def bars_of(which: str, market: Market) -> pd.DataFrame:
    "One symbol, two, or several."
    if which == "one":
        return market(11, 150)
    table = many(market)
    return (
        table if which == "several" else pd.concat({n: table.loc[n] for n in ("S0", "S1")}, names=["symbol"])
    )


def cases() -> dict[str, tuple[Rule, str]]:
    "Name: a function of bars, and which bars."
    prices = {
        name: (lambda b, n=name: getattr(signals, n)(b["close"], **PRICES[n]), "one")  # type: ignore[misc]
        for name in PRICES
    }
    bars = {
        name: (lambda b, n=name, p=params: getattr(signals, n)(b, **p), which)  # type: ignore[misc]
        for which, table in (("one", BARS), ("several", SEVERAL))
        for name, params in table.items()
    }
    return {
        **prices,
        **bars,
        **{name: (rule, "one") for name, rule in MADE.items()},
        **{name: (rule, "two" if name == "pairs_zscore" else "several") for name, rule in PANELS.items()},
    }


CASES = cases()


def test_every_exported_rule_is_here() -> None:
    exported = set(signals.__all__)
    assert exported - set(CASES) - set(NO_RULE) == set(), "without a certificate"
    assert set(CASES) - exported == set(), "not exported any more"


def test_no_rule_hides_behind_the_list() -> None:
    "A public function of bars or prices in a module of the stage is exported, or only a part of one that is."
    parts = {
        "to_ticks",
        "month_returns",
        "known_symbols",
        "month_ends",
        "open_bars",
        "open_prices",
        "wrong_bars",
    }
    parts |= {"by_convolution", "by_running_total"}  # The lesson on ties shows what is wrong with them
    hidden = set()
    for module in pkgutil.iter_modules(signals.__path__):
        home = importlib.import_module(f"alphatwin.signals.{module.name}")
        for name in getattr(home, "__all__", []):
            rule = getattr(home, name)
            if inspect.isfunction(rule) and rule.__module__ == home.__name__:
                first = next(iter(inspect.signature(rule).parameters), "")
                if first in ("bars", "prices", "returns") and name not in signals.__all__:
                    hidden.add(name)
    assert hidden <= parts, hidden - parts


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_certified(name: str, market: Market) -> None:
    rule, which = CASES[name]
    bars = bars_of(which, market)
    proof = at.certify(rule, bars, cuts=48)
    assert proof.ok, str(proof)
    assert proof.futures == ("gone", "other") and proof.cuts >= 48


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_same_rule_a_bar_early_is_refused(name: str, market: Market) -> None:
    "So the certificate above is not given to everything."
    rule, which = CASES[name]
    bars = bars_of(which, market)

    def early(given: pd.DataFrame) -> Any:
        made = rule(given)
        if made.index.nlevels > 1:
            return made.groupby(level="symbol").shift(-1)
        return made.shift(-1)

    if np.unique(pd.DataFrame(rule(bars)).dropna().to_numpy()).size > 1:
        assert at.certify(early, bars, cuts=48).verdict == "sees the future"
    else:
        assert name == "buy_and_hold"
