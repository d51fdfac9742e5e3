"Each page that brings an indicator or a strategy shows its certificate; whoever takes one away fails here."

import ast
import copy
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import alphatwin as at
import alphatwin.signals as signals

NBS = Path(__file__).resolve().parents[2] / "nbs"
PAGES = sorted(p for p in NBS.rglob("*.ipynb") if not any(part.startswith((".", "_")) for part in p.parts))
COURSE = ("lessons", "episodes")  # Pages that are read alone: there a rule of the library counts as their own
PRICES = {"bars", "prices", "price", "closes", "close", "panel"}
BACKTESTS = {"backtest", "event_backtest", "reference_backtest"}
NO_RULE = {"check_target"}  # Exported, and refuses or returns nothing

# Shown as what they are; a reason for each. Their pages must print the refusal.
REFUSED = {
    "2_signals/09_trend.ipynb": {"faber_of_the_web": "a leak that is found all over the web"},
    "4_backtest/15_vector.ipynb": {"prophet": "the engine refuses it by name"},
    "4_backtest/29_causality.ipynb": {
        "below_average": "the first leak, by hand",
        "equal_parts": "counts the companies of the end",
        "smooth_by_matrix": "rounding",
        "dice": "draws lots",
        "impatient": "needs fifty bars",
        **dict.fromkeys(
            ("filled_backwards", "centred", "scaled", "yesterday_is_tomorrow", "ranked"), "real life"
        ),
    },
    "lessons/l06_seeing_the_future.ipynb": {
        "smooth": "the first leak of the lesson",
        "score": "the second one",
        "tempting": "all of them, refused by the engine",
        "friends_rule": "an exercise",
    },
}
# Functions of bars that are no rules; a reason for each.
OTHER = {
    "4_backtest/15_vector.ipynb": {"forger": "spoils its bars, and is refused for that"},
    "4_backtest/18_desk.ipynb": {"new_desk": "makes a desk"},
    "4_backtest/20_waiting.ipynb": {"desk_with": "makes a desk"},
    "4_backtest/22_on_bar.ipynb": {"played": "makes a desk, and is cut by hand"},
    "4_backtest/24_agreement.ipynb": dict.fromkeys(("bought_at_open", "shorted_at_open"), "asks a peer"),
    "4_backtest/28_examination.ipynb": {"below_the_last": "is taken apart by hand"},
    "1_data/24_timing.ipynb": {"accused": "asks the validation"},
    "2_signals/07_ties.ipynb": {"count": "counts ties, gives no row a bar"},
    "lessons/l06_seeing_the_future.ipynb": dict.fromkeys(
        ("same_day", "next_day"), "an account; its detector looks for kinks"
    ),
}
GIVEN = re.compile(
    r"(?m)^['\"]?([\w<>]+(?: > [\w<>]+)*): no look-ahead at (\d+) cuts, with the future gone and another future"
)
DENIED = re.compile(
    r"(?m)^([\w<>]+(?: > [\w<>]+)*) (?:sees the future|rounding only|unstable|fails on short history)\b"
)


def name_of(path: Path) -> str:
    return str(path.relative_to(NBS))


def read(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text(encoding="utf-8"))["cells"])


def trees(cells: list[dict[str, Any]]) -> Iterator[tuple[ast.Module, bool]]:
    "Parsed code cells, and whether they are exported."
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and not source.startswith(("%", "!")):
            yield ast.parse(source), source.startswith("#| export")


def printed(cells: list[dict[str, Any]]) -> str:
    "What a page says below its code."
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    texts = [out.get("text") or out.get("data", {}).get("text/plain") or "" for out in outputs]
    return "\n".join("".join(text) for text in texts)


def certified(cells: list[dict[str, Any]]) -> set[str]:
    "Names with a certificate; of a chain, all of its stages."
    return {name for names, _ in GIVEN.findall(printed(cells)) for name in names.split(" > ")}


def denied(cells: list[dict[str, Any]]) -> set[str]:
    return {name for names in DENIED.findall(printed(cells)) for name in names.split(" > ")}


def is_rule(node: ast.AST) -> bool:
    "A function whose first argument is bars or prices, and that needs nothing else."
    if not isinstance(node, ast.FunctionDef):
        return False
    names = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args]]
    free = len(names) - len(node.args.defaults)
    needed = any(default is None for default in node.args.kw_defaults)
    return bool(names) and names[0] in PRICES and free <= 1 and not needed


def handed_over(node: ast.AST) -> str:
    "The name of a function that is handed to an engine or to `certify`."
    if not isinstance(node, ast.Call):
        return ""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    place = {"certify": 0, **dict.fromkeys(BACKTESTS, 1)}.get(called)
    if place is None or len(node.args) <= place:
        return ""
    return getattr(node.args[place], "id", "")


def brought(path: Path, cells: list[dict[str, Any]]) -> set[str]:
    "Indicators and strategies that a page brings: what it exports, what it defines, what a lesson uses."
    rules, course = set(signals.__all__) - NO_RULE, path.parent.name in COURSE
    found: set[str] = set()
    for tree, exported in trees(cells):
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        if exported:
            found |= defined & rules if path.parent.name == "2_signals" else set()
            continue
        for node in ast.walk(tree):
            if is_rule(node):
                found.add(node.name)  # type: ignore[attr-defined]
            if course and isinstance(node, ast.Attribute) and node.attr in rules:
                found.add(node.attr)
            if course and isinstance(node, ast.Name) and node.id in rules:
                found.add(node.id)
    functions = {
        node.name for tree, _ in trees(cells) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    }
    passed = {handed_over(node) for tree, exported in trees(cells) if not exported for node in ast.walk(tree)}
    return found | (passed & functions)


def missing(path: Path, cells: list[dict[str, Any]]) -> set[str]:
    "What a page brings without saying of it that it is certified, or why not."
    name = name_of(path)
    shown = denied(cells) & set(REFUSED.get(name, {}))
    return brought(path, cells) - certified(cells) - shown - set(OTHER.get(name, {}))


BRINGING = [path for path in PAGES if brought(path, read(path))]


@pytest.mark.parametrize("path", BRINGING, ids=name_of)
def test_the_page_shows_its_certificates(path: Path) -> None:
    assert missing(path, read(path)) == set(), "brought without a certificate"


def test_every_exported_rule_has_a_page() -> None:
    pages = {name for path in BRINGING if path.parent.name == "2_signals" for name in certified(read(path))}
    assert set(signals.__all__) - NO_RULE <= pages
    names = {name_of(path) for path in BRINGING}
    wanted = {"episodes/ep001_moving_average.ipynb", "lessons/l02_one_bad_price.ipynb"}
    assert wanted | {"lessons/l03_small_print.ipynb", "1_data/43_vintages.ipynb"} <= names


def test_no_excuse_is_idle() -> None:
    for excuses in (REFUSED, OTHER):
        for page, names in excuses.items():
            assert set(names) <= brought(NBS / page, read(NBS / page)), page
            assert not set(names) & certified(read(NBS / page)), page


@pytest.mark.parametrize("path", BRINGING, ids=name_of)
def test_a_certificate_taken_away_is_missed(path: Path) -> None:
    "Each line in turn; and the cell that printed it."
    cells = read(path)
    for name in sorted(certified(cells) & brought(path, cells)):
        poorer = copy.deepcopy(cells)
        for cell in poorer:
            cell["outputs"] = [
                out for out in cell.get("outputs", []) if name not in certified([{"outputs": [out]}])
            ]
        assert name in missing(path, poorer), name
        text = json.dumps(cells)
        for names, _ in GIVEN.findall(printed(cells)):
            if name in names.split(" > "):
                text = text.replace(f"{names}: no look-ahead", f"{names} sees the future")
        assert name in missing(path, json.loads(text)), name


def test_a_new_rule_without_a_certificate_is_missed() -> None:
    path = NBS / "lessons" / "l03_small_print.ipynb"
    for source in (
        "def tomorrow(bars, days=1):\n    return bars['close'].shift(-days)",
        "def tomorrow(table):\n    return table['close']\n\n\nat.backtest(bars, tomorrow)",
        "def tomorrow(x):\n    return x['close']\n\n\nat.certify(tomorrow, bars)",
    ):
        new = {"cell_type": "code", "source": [source], "outputs": []}
        assert missing(path, [*read(path), new]) == {"tomorrow"}
    use = {"cell_type": "code", "source": ["at.donchian_breakout(bars)"], "outputs": []}
    assert missing(path, [*read(path), use]) == {"donchian_breakout"}


LOOP = "proof = at.certify([(name, call)], "


@pytest.mark.parametrize("path", [p for p in BRINGING if p.parent.name == "2_signals"], ids=name_of)
def test_the_label_is_the_function_and_a_leak_stops_the_page(path: Path) -> None:
    "The certificate's own cell is run with each rule a bar early, one after the other."
    (text,) = [text for text in map(lambda cell: "".join(cell["source"]), read(path)) if LOOP in text]
    module = importlib.import_module(f"alphatwin.signals.{path.stem.partition('_')[2]}")
    spx = at.load("SPX", start="2008-01-01", end="2009-06-30")
    table = at.load(["KO", "PEP"], start="2007-01-01", end="2009-12-31")
    space = {**{name: getattr(signals, name) for name in signals.__all__}, **vars(module), "at": at, "pd": pd}
    late = table.drop(table.loc[["PEP"]].index[:300])
    parts = [signals.sma_cross, signals.macd_cross, signals.bollinger_reversion]
    space |= {"spx": spx, "year": spx.iloc[:300], "apple": at.load("AAPL"), "late": late, "parts": parts}
    space["paper"] = signals.scale_to_volatility(signals.time_series_momentum, volatility=0.4, most=3)
    exec(text, dict(space))
    tables = [node for node in ast.parse(text).body if isinstance(getattr(node, "value", None), ast.Dict)]
    labels = [key.value for node in tables for key in node.value.keys]  # type: ignore[attr-defined]
    assert labels and set(labels) <= certified(read(path))
    for label in labels:
        if label in ("buy_and_hold", "scale_to_volatility"):  # Never turns; is made outside of the cell
            continue
        honest = space[label]

        def early(*args: Any, honest: Any = honest, **params: Any) -> Any:
            made = honest(*args, **params)
            return (lambda bars: made(bars).shift(-1)) if callable(made) else made.shift(-1)

        with pytest.raises(AssertionError, match=f"^{label} (in stage .* )?sees the future"):
            exec(text, {**space, label: early})
