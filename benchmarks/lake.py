"""How long it takes to load 500 symbols x 20 years out of the lake into one long table, and what memory it needs.

    python benchmarks/lake.py        measure and write benchmarks/lake.json

The bars are seeded random walks, rounded to the cent: 500 symbols, 5,030 daily rows each, 2,515,000 rows in all, written
one symbol after the other as `Lake.write` does. What is read is compared with what was written, bit for bit, before
anything is timed. Two lakes are measured: one file a symbol; and the same with twenty daily appends more for 50 of the
symbols. "Warm" means that the files have been read once: they are in the memory of the operating system. The memory peak is
that of a fresh process (Linux: VmHWM) that reads once, less its peak before. The processor's seconds stand beside those of
the clock, since other work on the machine slows only the second; the load at the start tells how quiet it was.

The bar: under 1 s by the clock, median of 7, on a quiet machine.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow

from alphatwin.data.lake import Lake

SYMBOLS, ROWS, ROUNDS, MANY, APPENDS = 500, 5030, 7, 50, 20
DAYS = pd.bdate_range("2003-01-02", periods=ROWS + APPENDS, name="time", unit="ns")
PEAK = """
import re, sys
from alphatwin.data.lake import Lake
def highest():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
lake = Lake(sys.argv[1])
names = lake.symbols()
lake.read(names[:1])
before = highest()
table = lake.read(names)
print(highest() - before, table.memory_usage().sum() / 2**20)
"""


def random_walk(number: int) -> pd.DataFrame:
    "Bars of one symbol: highs and lows enclose open and close, all to the cent."
    rng = np.random.default_rng(number)
    length = ROWS + APPENDS
    close = 50 * np.exp(np.cumsum(rng.normal(0.0002, 0.02, length)))
    opened = np.r_[50.0, close[:-1]] * np.exp(rng.normal(0, 0.01, length))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.005, length)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.005, length)))
    prices = {
        name: np.round(values, 2)
        for name, values in zip(("open", "high", "low", "close"), (opened, high, low, close), strict=True)
    }
    return pd.DataFrame(
        prices | {"volume": rng.integers(1_000, 1_000_000, length).astype("float64")}, index=DAYS
    )


def name_of(number: int) -> str:
    return f"S{number:03d}"


def expected(appended: int) -> pd.DataFrame:
    "What the lake must answer."
    tables = {name_of(k): random_walk(k)[: ROWS + (APPENDS if k < appended else 0)] for k in range(SYMBOLS)}
    return pd.concat(tables, names=["symbol", "time"])


def measure(lake: Lake, truth: pd.DataFrame) -> dict[str, object]:
    "Compare, then time."
    names = [name_of(number) for number in range(SYMBOLS)]
    table = lake.read(names)
    pd.testing.assert_frame_equal(table, truth, check_exact=True, check_freq=False)
    del table
    seconds, busy = [], []
    for _ in range(ROUNDS):
        start, work = time.perf_counter(), time.process_time()
        table = lake.read(names)
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - work)
        assert len(table) == len(truth)
        del table
    peak = subprocess.run(
        [sys.executable, "-c", PEAK, str(lake.folder)], check=True, capture_output=True, text=True
    )
    above, size = map(float, peak.stdout.split())
    files = list(lake.folder.rglob("*.parquet"))
    return {
        "rows": len(truth),
        "files": len(files),
        "megabytes_on_disk": round(sum(file.stat().st_size for file in files) / 2**20, 1),
        "median_s": round(statistics.median(seconds), 3),
        "all_s": [round(second, 3) for second in seconds],
        "median_processor_s": round(statistics.median(busy), 3),
        "table_megabytes": round(size, 1),
        "peak_megabytes": round(above, 1),
        "peak_over_table": round(above / size, 2),
    }


def main() -> None:
    folder, busy = Path(tempfile.mkdtemp()), os.getloadavg()[0]
    try:
        lake = Lake(folder)
        start = time.perf_counter()
        for number in range(SYMBOLS):
            lake.write(name_of(number), random_walk(number)[:ROWS], source="random walk")
        written = time.perf_counter() - start
        wholes = measure(lake, expected(0))
        for number in range(MANY):
            bars = random_walk(number)
            for day in range(ROWS, ROWS + APPENDS):
                lake.write(name_of(number), bars[day : day + 1], source="random walk")
        result = {
            "what": f"{SYMBOLS} symbols of {ROWS} daily bars (seeded random walks) out of the lake into one long table",
            "one_file_a_symbol": wholes,
            f"and_{APPENDS}_appends_for_{MANY}_symbols": measure(lake, expected(MANY)),
            "write_all_s": round(written, 1),
            "bar_s": 1.0,
            "load_average_at_start": round(busy, 1),
            "rounds": ROUNDS,
            "versions": {
                "duckdb": duckdb.__version__,
                "pyarrow": pyarrow.__version__,
                "pandas": pd.__version__,
            },
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        }
    finally:
        shutil.rmtree(folder)
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
