"The series on which the Rosetta is tested, and what the recorder of empyrical computes on."

import hashlib

import numpy as np
import pandas as pd

import alphatwin as at

Trio = tuple[pd.Series, pd.Series, pd.Series]  # Prices, their returns, the benchmark's returns


def random_prices(seed: int, rows: int) -> pd.Series:
    "A walk with fat tails and days without a change; it begins with a fall."
    rng = np.random.default_rng(seed)
    steps = rng.standard_t(4, rows) * rng.uniform(0.004, 0.015) + 0.0008
    steps[rng.random(rows) < 0.05] = 0.0
    steps[0] = -0.03
    prices = 50 * np.cumprod(np.r_[1.0, 1 + np.clip(steps, -0.3, 0.3)])
    return pd.Series(prices, pd.bdate_range("2004-03-01", periods=rows + 1, name="time"), name="close")


def trio(prices: pd.Series, other: pd.Series) -> Trio:
    shared = prices.index.intersection(other.index)
    prices, other = prices[shared], other[shared]
    return prices, at.simple_returns(prices), at.simple_returns(other)


def series() -> dict[str, Trio]:
    "Two indices, three stocks, and four random walks."
    spx, ixic = at.load("SPX")["close"], at.load("IXIC")["close"]
    found = {"SPX": trio(spx, ixic), "IXIC": trio(ixic, spx)}
    found |= {name: trio(at.load(name)["close"], spx) for name in ("IBM", "FB", "MSFT")}
    found |= {
        f"walk {n}": trio(random_prices(n, 200 + 413 * n), random_prices(n + 50, 200 + 413 * n))
        for n in range(4)
    }
    return found


def fingerprint(*some: pd.Series) -> str:
    return hashlib.sha256(b"".join(one.to_numpy("float64").tobytes() for one in some)).hexdigest()
