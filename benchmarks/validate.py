"""The core checks on ten million rows: alphatwin, polars and pandera, in one run, taking turns.

    python benchmarks/validate.py              measure and write benchmarks/validate.json
    python benchmarks/validate.py --rows 100   the same on 2,000 x 100 rows, printed and not written

A market of 2,000 symbols x 5,000 daily rows is drawn from a seed and spoilt in known ways. All three count
the same faults: missing and non-positive values, the order of prices, repeated and unsorted times, zero
volume, bars off the calendar, missing sessions, and moves of more than 12 times the median of the 63 moves
before. Their counts are asserted equal, rule by rule, before any time is taken.

What favours the peers: symbols are small integers; rows are grouped by symbol; that repeated times stand
next to each other, that the order of prices needs no tolerance, and that every symbol has some volume is
taken for granted in their code and found out in ours.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RULES = [
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
PRICES = ["open", "high", "low", "close"]
SYMBOLS = 2_000
ROUNDS = 7
DAY = 86_400_000_000_000


def make_market(rows: int) -> dict[str, np.ndarray]:
    "Draw a market whose volatility comes and goes, and plant faults in it."
    import pandas as pd

    from alphatwin.data.calendar import sessions

    rng = np.random.default_rng(20_040_615)
    extra = (
        2 if rows >= 1_000 else 0
    )  # Sessions that are taken out again, to end with exactly `rows` a symbol
    length = rows + extra
    days = sessions("XNYS", "1999-01-04", "2020-12-31").asi8[:length]
    calm = rng.normal(size=(SYMBOLS, length + 99)).cumsum(axis=1)
    calm = 0.3 * (calm[:, 99:] - calm[:, :-99]) / np.sqrt(99)
    moves = 0.012 * np.exp(calm) * rng.standard_t(4, size=(SYMBOLS, length))
    close = np.round(40 * np.exp(np.clip(moves, -0.4, 0.4).cumsum(axis=1) * 0.6) + 1, 4)
    before = np.concatenate([np.full((SYMBOLS, 1), 40.0), close[:, :-1]], axis=1)
    opened = np.round(before * (1 + 0.004 * rng.normal(size=close.shape)), 4)
    high = np.maximum(opened, close) * (1 + 0.002 * rng.random(close.shape))
    low = np.minimum(opened, close) * (1 - 0.002 * rng.random(close.shape))
    columns = {
        "symbol": np.repeat(np.arange(SYMBOLS, dtype=np.int32), length),
        "time": np.tile(days, SYMBOLS),
        "open": opened.ravel(),
        "high": high.ravel(),
        "low": low.ravel(),
        "close": close.ravel(),
        "volume": rng.integers(1_000, 1_000_000, close.size).astype("float64"),
    }
    size = close.size
    inside = rng.permutation(size)
    inside = inside[(inside % length > 2) & (inside % length < length - 3)]
    share = max(size // 4_000, 9)
    cuts = np.split(inside[: 9 * share], 9)  # Places of their own for each kind of fault
    for name, places in zip([*PRICES, "volume"], np.array_split(cuts[0], 5), strict=True):
        columns[name][places] = np.nan
    columns["low"][cuts[1]] *= -1
    columns["high"][cuts[2]] = columns["low"][cuts[2]] * 0.9
    columns["volume"][cuts[3]] = 0.0
    for name in PRICES:
        columns[name][cuts[4]] *= 1.5
        columns[name][cuts[5]] /= 1.1
    weekend = pd.DatetimeIndex(days).dayofweek.to_numpy()[cuts[6] % length] == 4
    columns["time"][cuts[6][weekend]] += DAY  # Friday's bar on Saturday
    columns["time"][cuts[7]] = columns["time"][cuts[7] - 1]
    swap = cuts[8][: max(share // 20, 3)]
    swap = swap[np.unique(swap // length, return_index=True)[1]]
    columns["time"][swap], columns["time"][swap + 1] = columns["time"][swap + 1], columns["time"][swap]
    kept = np.ones(size, dtype=bool)
    if extra:
        kept[(np.arange(SYMBOLS) * length)[:, None] + rng.integers(5, length - 5, (SYMBOLS, 1)) + [0, 1]] = (
            False
        )
    return {name: values[kept] for name, values in columns.items()}


# ---------------------------------------------------------------- ours


class Ours:
    def __init__(self, columns: dict[str, np.ndarray], workers: int = 1) -> None:
        from alphatwin.data.scan_market import scan_bars

        self.scan, self.workers = scan_bars, workers
        self.columns = columns | {"time": columns["time"].view("M8[ns]")}
        few = {name: values[:2_000] for name, values in self.columns.items()}
        scan_bars(few, calendar="XNYS", workers=workers)  # Compiled and cached

    def __call__(self) -> dict[str, int]:
        found = self.scan(self.columns, calendar="XNYS", workers=self.workers).counts
        return {rule: int(found[rule].sum()) for rule in RULES}


# ---------------------------------------------------------------- polars


class Polars:
    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        import polars as pl

        self.frame = pl.DataFrame(
            {k: v.view("M8[ns]") if k == "time" else v for k, v in columns.items()}, nan_to_null=False
        )

    def __call__(self) -> dict[str, int]:
        import polars as pl

        from alphatwin.data.calendar import sessions

        c = pl.col
        days = sessions("XNYS", "1999-01-04", "2020-12-31")
        due = pl.Series("time", days.to_numpy()).set_sorted()
        finite = pl.all_horizontal(c(name).is_finite() for name in PRICES)
        same = c.symbol == c.symbol.shift(1)
        listed = c.time.is_in(due.implode())
        twice = same & (c.time == c.time.shift(1))
        wrong = (
            (c.high < c.open) | (c.high < c.close) | (c.low > c.open) | (c.low > c.close) | (c.high < c.low)
        )
        below = pl.any_horizontal(c(name) <= 0 for name in PRICES)
        rows = self.frame.lazy()
        plain = rows.select(
            missing_value=(~(finite & c.volume.is_finite())).sum(),
            not_positive=(below | (c.volume < 0)).sum(),
            price_order=(finite & wrong).sum(),
            duplicate_time=twice.sum(),
            unsorted_time=(same & (c.time < c.time.shift(1))).sum(),
            zero_volume=((c.volume == 0) & listed).sum(),
            off_calendar=(~listed).sum(),
        )
        spans = (
            rows.select("symbol", "time", on=listed & ~twice.fill_null(False))
            .group_by("symbol")
            .agg(first=c.time.min(), last=c.time.max(), on=c.on.sum())
        )
        usable = rows.filter(finite & ~below).select("symbol", "time", "close")
        late = usable.filter(same & (c.time < c.time.shift(1))).select("symbol").unique().collect()["symbol"]
        sound = usable.filter(~c.symbol.is_in(late.implode()))
        mended = usable.filter(c.symbol.is_in(late.implode())).sort("symbol", "time", maintain_order=True)
        moves = (
            pl.concat([sound, mended])
            .filter(~(same & (c.time == c.time.shift(1))).fill_null(False))
            .select("symbol", move=pl.when(same).then((c.close / c.close.shift(1) - 1).abs()))
        )
        median = c.move.rolling_median(63, min_samples=21).shift(1).over("symbol")
        jumps = moves.select(jump=(c.move > 12 * median).sum())
        one, span, jump = pl.collect_all([plain, spans, jumps])
        between = due.search_sorted(span["last"], side="right") - due.search_sorted(
            span["first"], side="left"
        )
        counts = one.row(0, named=True) | jump.row(0, named=True)
        return counts | {"missing_session": int((between.cast(pl.Int64) - span["on"].cast(pl.Int64)).sum())}


# ---------------------------------------------------------------- pandera


class Pandera:
    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        import pandas as pd

        self.frame = pd.DataFrame({k: v.view("M8[ns]") if k == "time" else v for k, v in columns.items()})

    def __call__(self) -> dict[str, int]:
        import pandas as pd
        import pandera.pandas as pa

        from alphatwin.data.calendar import sessions

        days = sessions("XNYS", "1999-01-04", "2020-12-31")
        absent = 0

        def finite(bars: Any) -> Any:
            return np.isfinite(bars[PRICES]).all(axis=1)

        def same(bars: Any) -> Any:
            return bars["symbol"] == bars["symbol"].shift()

        def complete(bars: Any) -> Any:
            nonlocal absent
            good = bars["time"].isin(days) & ~(same(bars) & (bars["time"] == bars["time"].shift()))
            span = (
                bars.assign(good=good)
                .groupby("symbol", sort=False)
                .agg(first=("time", "min"), last=("time", "max"), good=("good", "sum"))
            )
            due = days.searchsorted(span["last"], side="right") - days.searchsorted(span["first"])
            absent = int((due - span["good"]).sum())
            return absent == 0

        def no_jump(bars: Any) -> Any:
            usable = bars.loc[finite(bars) & (bars[PRICES] > 0).all(axis=1), ["symbol", "time", "close"]]
            late = usable.loc[same(usable) & (usable["time"] < usable["time"].shift()), "symbol"].unique()
            mixed = usable["symbol"].isin(late)
            mended = usable[mixed].sort_values(["symbol", "time"], kind="stable")
            usable = pd.concat([usable[~mixed], mended])
            usable = usable[~(same(usable) & (usable["time"] == usable["time"].shift()))]
            inside = same(usable)
            move = (usable["close"] / usable["close"].shift() - 1).abs().where(inside)
            median = move.groupby(usable["symbol"], sort=False).rolling(63, min_periods=21).median()
            median = median.droplevel(0).reindex(move.index).shift().where(inside)
            return ~(move > 12 * median).reindex(bars.index, fill_value=False)

        def check(name: str, test: Any) -> Any:
            return pa.Check(test, name=name, error=name)

        schema = pa.DataFrameSchema(
            checks=[
                check("missing_value", lambda b: finite(b) & np.isfinite(b["volume"])),
                check("not_positive", lambda b: ~((b[PRICES] <= 0).any(axis=1) | (b["volume"] < 0))),
                check(
                    "price_order",
                    lambda b: (
                        ~(
                            finite(b)
                            & (
                                (b["high"] < b["open"])
                                | (b["high"] < b["close"])
                                | (b["low"] > b["open"])
                                | (b["low"] > b["close"])
                                | (b["high"] < b["low"])
                            )
                        )
                    ),
                ),
                check("duplicate_time", lambda b: ~(same(b) & (b["time"] == b["time"].shift()))),
                check("unsorted_time", lambda b: ~(same(b) & (b["time"] < b["time"].shift()))),
                check("zero_volume", lambda b: ~((b["volume"] == 0) & b["time"].isin(days))),
                check("off_calendar", lambda b: b["time"].isin(days)),
                check("missing_session", complete),
                check("jump", no_jump),
            ]
        )
        try:
            schema.validate(self.frame, lazy=True)
        except pa.errors.SchemaErrors as faults:
            rows = faults.failure_cases.drop_duplicates(["check", "index"])
            return rows["check"].value_counts().to_dict() | {"missing_session": absent}
        raise AssertionError("pandera found nothing")


# ---------------------------------------------------------------- measuring

MAKERS: dict[str, Any] = {
    "alphatwin": Ours,
    "alphatwin, two threads": lambda columns: Ours(columns, workers=2),
    "polars": Polars,
    "pandera": Pandera,
}


def read(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}


def memory(name: str, folder: Path) -> dict[str, float]:
    "Peak memory of one run over that of its data, in a process of its own."
    columns = read(folder)
    data = sum(values.nbytes for values in columns.values())
    call = MAKERS[name](columns)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    call()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"data_bytes": data, "peak_over_data": round(1 + (after - before) / data, 3)}


def child(*words: str) -> str:
    done = subprocess.run([sys.executable, __file__, *words], check=True, capture_output=True, text=True)
    return done.stdout


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000, help="rows of each of the 2,000 symbols")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.make:
        for name, values in make_market(wanted.rows).items():
            np.save(wanted.make / f"{name}.npy", values)
        return
    if wanted.memory:
        print(json.dumps(memory(wanted.memory[0], Path(wanted.memory[1]))))
        return
    with tempfile.TemporaryDirectory() as place:
        child("--rows", str(wanted.rows), "--make", place)
        # Before this process grows: a child's peak starts at its parent's.
        peaks = {name: json.loads(child("--memory", name, place)) for name in MAKERS}
        columns = read(Path(place))
    calls = {name: maker(columns) for name, maker in MAKERS.items()}
    counts = {name: call() for name, call in calls.items()}
    for name, found in counts.items():
        assert found == counts["alphatwin"], (name, found, counts["alphatwin"])
    assert all(counts["alphatwin"][rule] > 0 for rule in RULES), counts["alphatwin"]
    times: dict[str, list[float]] = {name: [] for name in calls}
    busy = [os.getloadavg()[0]]
    for _ in range(wanted.rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
        busy.append(os.getloadavg()[0])
    seconds = {name: round(statistics.median(values), 4) for name, values in times.items()}
    ours = seconds["alphatwin"]
    rows = len(columns["time"])
    result = {
        "rows": rows,
        "symbols": SYMBOLS,
        "faults": {rule: counts["alphatwin"][rule] for rule in RULES},
        "seconds": seconds,
        "fastest_s": {name: round(min(values), 4) for name, values in times.items()},
        "slowest_s": {name: round(max(values), 4) for name, values in times.items()},
        "rounds": wanted.rounds,
        "times_as_long_as_ours_on_one_core": {
            name: round(value / ours, 1) for name, value in seconds.items()
        },
        "bar": {"polars": 15, "pandera": 50, "peak_over_data": 1.5},
        "peak_over_data": {name: peak["peak_over_data"] for name, peak in peaks.items()},
        "data_megabytes": round(peaks["alphatwin"]["data_bytes"] / 1e6),
        "load_average": [round(min(busy), 2), round(max(busy), 2)],
        "machine": f"{os.cpu_count()} cores, {processor()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("numba", "numpy", "pandas", "pandera", "polars")},
    }
    print(json.dumps(result, indent=1))
    if wanted.rows == 5_000:
        Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
