"Small markets that can be checked by hand."

from collections.abc import Callable

import pandas as pd
import pytest

Table = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def table() -> Table:
    "A function (opens, closes) that makes Bars of business days from 2024-01-01 on."

    def make(opens: list[float], closes: list[float] | None = None) -> pd.DataFrame:
        closes = opens if closes is None else closes
        time = pd.DatetimeIndex(pd.bdate_range("2024-01-01", periods=len(opens)), freq=None, name="time")
        bars = pd.DataFrame({"open": opens, "close": closes}, index=time.as_unit("ns"), dtype="float64")
        high, low = bars.max(axis=1), bars.min(axis=1)
        return bars.assign(high=high, low=low, volume=1e6)[["open", "high", "low", "close", "volume"]]

    return make
