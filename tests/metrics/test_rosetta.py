"Every number of five libraries is explained by our conventions, on several series, with the libraries run for real."

import contextlib
import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphatwin.metrics.overview import BENCHMARK_METRICS, FUNCTIONS, METRICS

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-12


def shared_code() -> dict[str, Any]:
    "The cells of the notebook that are shared with the tests."
    cells = json.loads((ROOT / "nbs/3_metrics/11_rosetta.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code" and text.startswith("# Shared with the tests"):
            exec(compile(text, "11_rosetta.ipynb", "exec"), names)
    return names


def loaded_series() -> Any:
    place = Path(__file__).with_name("rosetta_series.py")
    spec = importlib.util.spec_from_file_location("rosetta_series", place)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


PAGE = shared_code()
SERIES = loaded_series().series()


@pytest.fixture(scope="module", params=SERIES)
def table(request: pytest.FixtureRequest) -> pd.DataFrame:
    return PAGE["rosetta"](*SERIES[request.param])


def test_nothing_is_left_unexplained(table: pd.DataFrame) -> None:
    left = table[~(table["residual"] < TOLERANCE)]
    assert left.empty, left.to_string()


def test_five_libraries_answer(table: pd.DataFrame, request: pytest.FixtureRequest) -> None:
    counts = table.groupby("library").size()
    # quantstats does not see a fall that begins on the first day and never ends: that of FB.
    most = 24 if request.node.callspec.params["table"] == "FB" else 25
    assert counts.to_dict() == {"quantstats": most, "empyrical": 20, "ffn": 14, "skfolio": 12, "vectorbt": 23}


@pytest.mark.parametrize(
    ("library", "name", "switch"),
    [(a, b, c) for a, metrics in PAGE["SWITCHES"].items() for b, some in metrics.items() for c in some],
)
def test_every_switch_is_needed(library: str, name: str, switch: str) -> None:
    "Without it, the number is another one on at least one of the series."
    switches = {key: value for key, value in PAGE["SWITCHES"][library][name].items() if key != switch}
    for prices, returns, benchmark in SERIES.values():
        with contextlib.redirect_stderr(io.StringIO()):
            theirs = PAGE["ASK"][library](prices, returns, benchmark)[name]
        ours = PAGE["ours"](name, prices, returns, benchmark, switches)
        if not abs(ours - theirs) <= 1e-9 * abs(theirs):
            return
    raise AssertionError(f"{switch} changes nothing for {name} of {library}")


def test_every_shared_metric_is_asked() -> None:
    asked = {name.split()[0] for numbers in (PAGE["ASK"]["quantstats"](*SERIES["FB"]),) for name in numbers}
    asked |= {name.split()[0] for name in PAGE["ASK"]["vectorbt"](*SERIES["FB"])}
    alone = set(METRICS) | set(BENCHMARK_METRICS) - asked
    # No library has a Cornish-Fisher value at risk, a yearly tracking error, or these two of single bars.
    ours_only = {
        "value_at_risk_cornish_fisher",
        "cvar_cornish_fisher",
        "tracking_error",
        "recovery",
        "expectancy",
    }
    assert (set(METRICS) | set(BENCHMARK_METRICS)) - asked == ours_only, alone
    assert asked <= set(FUNCTIONS)


def test_the_record_is_of_these_series() -> None:
    record = PAGE["recorded"]()
    assert record["versions"]["empyrical-reloaded"] == "0.7.1"
    prints = {PAGE["fingerprint"](returns, benchmark) for _, returns, benchmark in SERIES.values()}
    assert set(record["numbers"]) == prints


def test_a_changed_number_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    prices, returns, benchmark = SERIES["FB"]
    ask = PAGE["ASK"]["ffn"]
    monkeypatch.setitem(
        PAGE["ASK"], "ffn", lambda *trio: ask(*trio) | {"sharpe": ask(*trio)["sharpe"] * (1 + 1e-11)}
    )
    table = PAGE["rosetta"](prices, returns, benchmark)
    assert table.loc[~(table["residual"] < TOLERANCE), "metric"].tolist() == ["sharpe"]


@pytest.mark.parametrize("name", PAGE["R_SAYS"])
def test_what_the_manual_of_r_prints(name: str) -> None:
    printed, number = PAGE["R_SAYS"][name]
    assert abs(number - float(printed)) <= 0.5001 * 10 ** -len(printed.partition(".")[2])
    assert np.isfinite(number)
