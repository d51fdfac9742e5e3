"""The tear sheet as an HTML file beside quantstats' `reports.html`, on the same returns, taking turns.

    python benchmarks/tearsheet.py           measure and write benchmarks/tearsheet.json
    python benchmarks/tearsheet.py --quick   two rounds, printed and not written

The returns are those of the S&P 500's closes from 1999 to 2018, 5,030 of them. `alone`: no benchmark on
either side. `beside`: the Nasdaq Composite as the benchmark of both. Each call makes the page from the returns
and writes it to a file; ours holds a bootstrap of 1,000 draws that the other has not, the other pictures and
tables that ours has not. Both are warm: a first call of each is not counted.
"""

import argparse
import json
import logging
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import quantstats
from quantstats import stats

import alphatwin as at

ROUNDS, BAR = 7, 5.0
Call = Callable[[], object]


def seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def pairs(folder: Path) -> dict[str, tuple[Call, Call]]:
    "Of each case: our call, their call."
    returns = at.simple_returns(at.load("SPX")["close"])
    other = at.simple_returns(at.load("IXIC")["close"])
    assert abs(at.sharpe(returns) / stats.sharpe(returns) - 1) < 1e-10, "the same returns, the same number"
    ours, theirs = folder / "ours.html", str(folder / "theirs.html")
    return {
        "alone": (
            lambda: at.tearsheet(returns, ours),
            lambda: quantstats.reports.html(returns, output=theirs),
        ),
        "beside": (
            lambda: at.tearsheet(returns, ours, benchmark=other),
            lambda: quantstats.reports.html(returns, benchmark=other, output=theirs),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two rounds, printed and not written")
    wanted = parser.parse_args()
    rounds = 2 if wanted.quick else ROUNDS
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    table, busy = {}, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case, (ours, theirs) in pairs(folder).items():
            ours(), theirs()
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(rounds):
                times[0].append(seconds(ours))
                times[1].append(seconds(theirs))
                busy.append(os.getloadavg()[0])
            middle = [statistics.median(values) for values in times]
            table[case] = {
                "ours_s": round(middle[0], 3),
                "quantstats_s": round(middle[1], 3),
                "quantstats_over_ours": round(middle[1] / middle[0], 2),
                "ours_kB": round((folder / "ours.html").stat().st_size / 1000),
                "quantstats_kB": round((folder / "theirs.html").stat().st_size / 1000),
            }
    result = {
        "by_case": table,
        "returns": 5_030,
        "bar": f"at least {BAR:g} times as fast as quantstats, returns alone",
        "rounds": rounds,
        "load_average": [round(min(busy), 2), round(max(busy), 2)],
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("quantstats", "matplotlib", "arch", "pandas")},
    }
    print(json.dumps(result, indent=1))
    if not wanted.quick:
        Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
