"Shared by all tests: markets to try things on, and how hypothesis searches."

import os
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
# The same examples on every run and every machine; nothing is written beside the tests.
settings.register_profile("house", derandomize=True, deadline=None, database=None)
settings.load_profile("house")

# Few tests, but long ones: begun first, so that no process is left alone with them at the end.
LONG = ("test_browser.py", "test_episode.py", "test_peer.py", "test_links.py", "test_engines.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)


Market = Callable[..., pd.DataFrame]


def random_bars(seed: int, length: int = 60, tz: str | None = None) -> pd.DataFrame:
    "Bars of a random walk with gaps between close and open; highs and lows enclose them."
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.02, length)))
    before = np.r_[50.0, close[:-1]]
    opened = before * np.exp(rng.normal(0, 0.01, length))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.005, length)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.005, length)))
    volume = rng.integers(1_000, 1_000_000, length).astype("float64")
    step = "B" if tz is None else "h"
    time = pd.date_range("2015-01-05", periods=length, freq=step, tz=tz, name="time")
    table = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    return pd.DataFrame(table, index=pd.DatetimeIndex(time, freq=None).as_unit("ns"))


@pytest.fixture(scope="session")
def market() -> Market:
    "A function (seed, length, tz) that makes random Bars."
    return random_bars


@pytest.fixture(scope="session")
def refusal() -> Callable[..., str]:
    "Call something that must refuse, and return the sentence with which it does."

    def refuse(kind: type[Exception], call: Callable[..., object], *args: object, **kwargs: object) -> str:
        with pytest.raises(kind) as caught:
            call(*args, **kwargs)
        sentence = str(caught.value)
        assert type(caught.value) is kind, f"{type(caught.value).__name__} in place of {kind.__name__}"
        assert "\n" not in sentence, "an error of the house is one line"
        return sentence

    return refuse


@pytest.fixture(scope="session")
def spx() -> pd.DataFrame:
    "The S&P 500 from 1999 to 2018; copy it before changing it."
    import alphatwin as at

    return at.load("SPX")


@pytest.fixture(scope="session")
def aapl() -> pd.DataFrame:
    "Apple from 2000 to 2013 as traded; copy it before changing it."
    import alphatwin as at

    return at.load("AAPL")
