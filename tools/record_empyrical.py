"""Record what empyrical-reloaded says about the returns of the Rosetta and of its tests.

empyrical-reloaded installs bottleneck, with which pandas then computes differently, so it gets an environment of
its own, outside of the project:

    python -m venv _build/empyrical
    _build/empyrical/bin/pip install empyrical-reloaded==0.7.1
    .venv/bin/python tools/record_empyrical.py --python _build/empyrical/bin/python

The project's Python makes the returns and writes them to a file. The other Python reads that file and computes.
benchmarks/empyrical.json keeps its numbers with all their digits, under a fingerprint of the returns, and the
versions that computed them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def ask(returns: np.ndarray, benchmark: np.ndarray) -> dict[str, float]:
    "Ask empyrical-reloaded, in its own words and with its own defaults."
    import empyrical as ep
    from empyrical.stats import stats

    numbers = {
        "total_return": ep.cum_returns_final(returns),
        "cagr": ep.annual_return(returns),
        "volatility": ep.annual_volatility(returns),
        "sharpe": ep.sharpe_ratio(returns),
        "sharpe 2 %": ep.sharpe_ratio(returns, risk_free=0.02 / 252),
        "sortino": ep.sortino_ratio(returns),
        "max_drawdown": ep.max_drawdown(returns),
        "calmar": ep.calmar_ratio(returns),
        "omega": ep.omega_ratio(returns),
        "omega 5 %": ep.omega_ratio(returns, required_return=0.05),
        "value_at_risk": ep.value_at_risk(returns),
        "cvar": ep.conditional_value_at_risk(returns),
        "skewness": stats.skew(returns),
        "kurtosis": stats.kurtosis(returns),
        "tail_ratio": ep.tail_ratio(returns),
        "alpha": ep.alpha(returns, benchmark),
        "beta": ep.beta(returns, benchmark),
        "information_ratio": ep.excess_sharpe(returns, benchmark),
        "up_capture": ep.up_capture(returns, benchmark),
        "down_capture": ep.down_capture(returns, benchmark),
    }
    return {name: float(number) for name, number in numbers.items()}


def compute(inputs: Path) -> None:
    "In the other environment: print the answers to all pairs of series in a file."
    pairs = np.load(inputs)
    keys = sorted({name.rpartition("/")[0] for name in pairs.files})
    found = {
        "versions": {name: version(name) for name in ("empyrical-reloaded", "numpy", "pandas", "scipy")},
        "numbers": {key: ask(pairs[f"{key}/returns"], pairs[f"{key}/benchmark"]) for key in keys},
    }
    print(json.dumps(found, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", help="the interpreter of the environment that has empyrical-reloaded")
    parser.add_argument("--compute", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.compute:
        return compute(wanted.compute)
    if not wanted.python:
        parser.error("--python is needed: the interpreter of an environment with empyrical-reloaded==0.7.1")
    sys.path.insert(0, str(ROOT / "tests" / "metrics"))
    from rosetta_series import fingerprint, series

    arrays = {}
    for _, returns, benchmark in series().values():
        key = fingerprint(returns, benchmark)
        arrays |= {f"{key}/returns": returns.to_numpy(), f"{key}/benchmark": benchmark.to_numpy()}
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "returns.npz"
        np.savez(inputs, **arrays)
        call = [wanted.python, str(Path(__file__).resolve()), "--compute", str(inputs)]
        answer = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    (ROOT / "benchmarks" / "empyrical.json").write_text(answer, encoding="utf-8")


if __name__ == "__main__":
    main()
