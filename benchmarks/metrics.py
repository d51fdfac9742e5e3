"""Metrics of 1,000 series x 5,000 returns, and two rolling ones: alphatwin beside empyrical-reloaded and pandas.

    python benchmarks/metrics.py --python _build/empyrical/bin/python   measure, write benchmarks/metrics.json
    python benchmarks/metrics.py --python ... --series 40               the same on 40 series, printed alone

empyrical-reloaded runs in an environment of its own (tools/record_empyrical.py says how to make it), as one
process that waits for its turn: the rounds are interleaved, all on one core's worth of the same file of returns.
Every number is asserted equal to ours before any time is taken.

Scalars: the metrics that both have (ours computes all 31 of its own in the same call, and that is what is timed).
empyrical is asked in the faster of two ways, measured in each round: column by column on arrays, or on the whole
table at once for those functions that take one.

Rolling: a window of 252. pandas computes the Sharpe ratio with its rolling mean and standard deviation, and the
worst fall, which it does not have, by `rolling.apply` with a numpy function. That one and empyrical's take minutes
for a thousand series, so they are timed on the first few and multiplied; `measured_on` says on how many.
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
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS, WINDOW, ROWS = 7, 252, 5_000
SHARED = {
    "total_return": "cum_returns_final",
    "cagr": "annual_return",
    "volatility": "annual_volatility",
    "sharpe": "sharpe_ratio",
    "sortino": "sortino_ratio",
    "max_drawdown": "max_drawdown",
    "calmar": "calmar_ratio",
    "omega": "omega_ratio",
    "value_at_risk": "value_at_risk",
    "cvar": "conditional_value_at_risk",
    "tail_ratio": "tail_ratio",
    "alpha": "alpha",
    "beta": "beta",
    "up_capture": "up_capture",
    "down_capture": "down_capture",
}
WHOLE = {"cum_returns_final", "annual_volatility", "sharpe_ratio", "sortino_ratio", "max_drawdown"}
BESIDE = {"alpha", "beta", "up_capture", "down_capture"}


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    answer = call()
    return answer, time.perf_counter() - start


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(inputs: Path) -> None:
    "In the other environment: answer one line of questions with one line of answers."
    import empyrical as ep

    data = np.load(inputs)
    table, market = np.ascontiguousarray(data["returns"].T), data["market"]
    whole = np.ascontiguousarray(data["returns"])

    def by_column(name: str) -> list[float]:
        function = getattr(ep, name)
        more = (market,) if name in BESIDE else ()
        return [float(function(column, *more)) for column in table]

    def fastest(name: str) -> tuple[list[float], float]:
        found, taken = timed(lambda: by_column(name))
        if name in WHOLE:
            taken = min(taken, timed(lambda: getattr(ep, name)(whole))[1])
        return found, taken

    def rolling(name: str, count: int) -> list[list[float]]:
        function = getattr(ep, f"roll_{name}")
        return [function(column, window=WINDOW).tolist() for column in table[:count]]

    for line in sys.stdin:
        wanted = json.loads(line)
        if wanted["ask"] == "scalars":
            both = {name: fastest(name) for name in SHARED.values()}
            answer: Any = {name: found for name, (found, _) in both.items()}
            taken = sum(one for _, one in both.values())
        else:
            answer, taken = timed(lambda asked=wanted: rolling(asked["ask"], asked["count"]))
        keep = answer if wanted["keep"] else None
        print(json.dumps({"seconds": taken, "answer": keep, "peak_mib": peak_mib()}), flush=True)


class Peer:
    "empyrical-reloaded in its own process."

    def __init__(self, python: str, inputs: Path) -> None:
        call = [python, str(Path(__file__).resolve()), "--serve", str(inputs)]
        self.process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, what: str, keep: bool = False, count: int = 0) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"ask": what, "keep": keep, "count": count}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def worst_fall(part: np.ndarray) -> float:
    "For pandas: the worst drawdown of one window."
    money = np.cumprod(1 + part)
    return float((money / np.maximum(np.maximum.accumulate(money), 1.0)).min() - 1)


def measure(python: str, series: int, rounds: int, few: int) -> dict[str, Any]:
    import pandas as pd

    from alphatwin.metrics.overview import summary
    from alphatwin.metrics.rolling import rolling_max_drawdown, rolling_sharpe

    rng = np.random.default_rng(20_261_123)
    market = 0.0003 + 0.008 * rng.standard_t(5, ROWS)
    values = np.clip(
        market[:, None] * rng.uniform(0.2, 1.5, series) + 0.01 * rng.standard_t(4, (ROWS, series)), -0.9, None
    )
    times = pd.bdate_range("2000-01-03", periods=ROWS, name="time")
    table, other = pd.DataFrame(values, times, copy=False), pd.Series(market, times)
    few = min(few, series)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "returns.npz"
        np.savez(inputs, returns=values, market=market)
        peer = Peer(python, inputs)
        return compare(peer, table, other, rounds, few, (summary, rolling_sharpe, rolling_max_drawdown))


def compare(
    peer: Peer, table: Any, other: Any, rounds: int, few: int, ours: tuple[Callable[..., Any], ...]
) -> dict[str, Any]:
    summary, rolling_sharpe, rolling_max_drawdown = ours
    found, theirs = summary(table, other), peer.ask("scalars", keep=True)["answer"]
    for name, called in SHARED.items():
        np.testing.assert_allclose(found[name], theirs[called], rtol=1e-9, atol=1e-12, err_msg=name)
    rolled = table.rolling(WINDOW)
    falls = {
        "sharpe_ratio": rolling_sharpe(table, WINDOW),
        "max_drawdown": rolling_max_drawdown(table, WINDOW),
    }
    by_pandas = {
        "sharpe_ratio": lambda: rolled.mean() / rolled.std() * 252**0.5,
        "max_drawdown": lambda: table.iloc[:, :1].rolling(WINDOW).apply(worst_fall, raw=True),
    }
    for name, mine in falls.items():
        answer = np.array(peer.ask(name, keep=True, count=few)["answer"]).T
        np.testing.assert_allclose(mine.iloc[WINDOW - 1 :, :few], answer, rtol=1e-7, atol=1e-9, err_msg=name)
        frame = by_pandas[name]()
        np.testing.assert_allclose(mine[frame.columns], frame, rtol=1e-7, atol=1e-8, err_msg=name)
    del falls, found
    keys = ["scalars", "scalars_empyrical"]
    keys += [f"{name}{who}" for name in by_pandas for who in ("", "_pandas", "_empyrical")]
    times: dict[str, list[float]] = {key: [] for key in keys}
    busy, factor, peak = [os.getloadavg()[0]], table.shape[1] / few, 0.0
    for _ in range(rounds):
        times["scalars"].append(timed(lambda: summary(table, other) is None)[1])
        answer = peer.ask("scalars")
        times["scalars_empyrical"].append(answer["seconds"])
        mine = {"sharpe_ratio": rolling_sharpe, "max_drawdown": rolling_max_drawdown}
        for name, function in mine.items():
            times[name].append(timed(lambda f=function: f(table, WINDOW) is None)[1])
            scale = table.shape[1] if name == "max_drawdown" else 1
            times[f"{name}_pandas"].append(scale * timed(lambda n=name: by_pandas[n]() is None)[1])
            answer = peer.ask(name, count=few)
            times[f"{name}_empyrical"].append(factor * answer["seconds"])
        peak = max(peak, answer["peak_mib"])
        busy.append(os.getloadavg()[0])
    middle = {key: statistics.median(values) for key, values in times.items()}
    return {
        "series": table.shape[1],
        "rows": len(table),
        "window": WINDOW,
        "shared_metrics": sorted(SHARED),
        "ours_computes": 31,
        "ms": {key: round(1e3 * value, 2) for key, value in middle.items()},
        "scalars_empyrical_over_ours": round(middle["scalars_empyrical"] / middle["scalars"], 1),
        **{
            f"rolling_{name}_{who}_over_ours": round(middle[f"{name}_{who}"] / middle[name], 1)
            for name in by_pandas
            for who in ("pandas", "empyrical")
        },
        "measured_on": {"max_drawdown_pandas": 1, "rolling_empyrical": few},
        "bar": "scalars 20 x empyrical; rolling 5 x pandas and 100 x empyrical",
        "peak_mib": {
            "ours_and_pandas": round(peak_mib()),
            "empyrical": round(peak),
            "returns": round(table.size * 8 / 2**20),
        },
        "rounds": rounds,
        "load_average": [round(min(busy), 2), round(max(busy), 2)],
        "machine": f"{os.cpu_count()} cores, {processor()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("numba", "numpy", "pandas")}
        | {"empyrical-reloaded": "0.7.1"},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--python", default=os.environ.get("EMPYRICAL_PYTHON"), help="of the environment with empyrical"
    )
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--few", type=int, default=10, help="series for what takes minutes")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        return serve(wanted.serve)
    if not wanted.python:
        parser.error(
            "--python (or EMPYRICAL_PYTHON) is needed; tools/record_empyrical.py says how to make it"
        )
    result = measure(wanted.python, wanted.series, wanted.rounds, wanted.few)
    print(json.dumps(result, indent=1))
    if wanted.series == 1_000:
        Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
