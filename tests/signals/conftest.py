"Shared by the tests of signals: panels of random symbols that are listed late and end early."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

Panel = Callable[..., pd.DataFrame]


def random_panel(seed: int, symbols: int = 4, length: int = 200, ragged: bool = True) -> pd.DataFrame:
    "A long table; some symbols begin late, and with `ragged` one ends early."
    rng = np.random.default_rng(seed)
    time = pd.bdate_range("2015-01-05", periods=length, name="time")
    parts = {}
    for place in range(symbols):
        close = 40 * np.exp(rng.normal(0, 0.02, length).cumsum())
        table = {name: close for name in ("open", "high", "low", "close")} | {"volume": 1e5}
        start = int(rng.integers(1, length // 2)) if ragged and place % 2 else 0
        end = int(rng.integers(3 * length // 4, length)) if ragged and place == 2 else length
        parts[f"S{place}"] = pd.DataFrame(table, index=time).iloc[start:end]
    return pd.concat(parts, names=["symbol", "time"])


@pytest.fixture(scope="session")
def panel() -> Panel:
    "A function (seed, symbols, length, ragged) that makes a long table."
    return random_panel
