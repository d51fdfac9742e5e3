"Episodes from end to end: real kernels, real data, real files."

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest

from alphatwin.content import episode
from alphatwin.content.episode import EpisodeError, run_episode, verify_episode
from alphatwin.content.narration import NarrationError
from alphatwin.content.page import outside_requests
from alphatwin.content.receipt import compare

ROOT = Path(__file__).resolve().parents[2]
EPISODES = ROOT / "nbs" / "episodes"
EP001 = EPISODES / "ep001_moving_average.ipynb"
pytestmark = pytest.mark.slow

# The program, with this Python.
PROGRAM = [
    sys.executable,
    "-c",
    "import sys; from alphatwin.content.cli import main; sys.exit(main(sys.argv[1:]))",
]


def shell(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=os.environ | environment)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> episode.EpisodeRun:
    "Episode 1 with its own parameters."
    return run_episode("ep001", out=tmp_path_factory.mktemp("published"), folder=EPISODES)


def test_it_makes_all_that_it_promises(published: episode.EpisodeRun) -> None:
    wanted = {
        "notebook.ipynb",
        "index.html",
        "script.md",
        "captions.srt",
        "captions.vtt",
        "figure-01.png",
        "receipt.json",
    }
    assert set(files_of(published.folder)) == wanted == set(published.files)
    assert all(len(content) > 500 for content in files_of(published.folder).values())
    assert outside_requests((published.folder / "index.html").read_text()) == []
    assert (published.folder / "figure-01.png").read_bytes().startswith(b"\x89PNG")
    nbformat.validate(nbformat.read(published.folder / "notebook.ipynb", as_version=4))


def test_the_published_receipt_agrees_within_its_tolerances(published: episode.EpisodeRun) -> None:
    "On any machine: the environment may differ, the rest may not."
    receipt = json.loads(EP001.with_name("ep001_moving_average.receipt.json").read_text())
    verdicts = {verdict.part: verdict for verdict in compare(receipt, published.receipt)}
    for part in ("source", "parameters", "data", "outputs"):
        assert verdicts[part].agrees, verdicts[part].details


def test_the_numbers_are_right(published: episode.EpisodeRun) -> None:
    "Against an independent computation in plain numpy, and against prices printed by S&P Dow Jones Indices."
    import numpy as np
    import pandas as pd
    from arch.data import sp500

    frame = sp500.load()
    close, opens = frame["Close"].to_numpy(), frame["Open"].to_numpy()
    average = {n: pd.Series(close).rolling(n).mean().to_numpy() for n in (20, 100)}
    wish = np.where(average[20] > average[100], 1.0, 0.0)
    money, shares = 100_000.0, 0.0
    for day in range(1, len(close)):
        if wish[day - 1] and not shares:
            shares, money = money / (opens[day] * 1.001), 0.0
        elif not wish[day - 1] and shares:
            money, shares = shares * opens[day] * 0.999, 0.0
    numbers = {name: entry["value"] for name, entry in published.receipt["outputs"]["numbers"].items()}
    assert numbers["rule_end"] == pytest.approx(money + shares * close[-1], rel=1e-9)
    assert numbers["hold_end"] == pytest.approx(100_000 / (opens[1] * 1.001) * close[-1], rel=1e-9)
    assert numbers["hold_fall"] == pytest.approx(1 - 676.53 / 1565.15, abs=1e-6)
    assert numbers["stuck"] == int((opens[1:] == close[:-1]).sum()) == 2004


def test_bytes_repeat_in_any_surroundings(published: episode.EpisodeRun, tmp_path: Path) -> None:
    "Twice, side by side, with other hash seeds, time zones, locales, settings and working folders."
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nfigure.dpi: 33\n")
    surroundings: list[dict[str, str]] = [
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"},
        {"PYTHONHASHSEED": "4242", "TZ": "America/New_York", "LC_ALL": "C", "LANG": "C"},
        {
            "PYTHONOPTIMIZE": "1",
            "MPLCONFIGDIR": str(tmp_path),
            "MATPLOTLIBRC": str(tmp_path),
            "COLUMNS": "20",
        },
    ]

    def one(number: int) -> dict[str, bytes]:
        folder = tmp_path / str(number)
        folder.mkdir()
        done = shell("episode", "run", str(EP001), "--out", "out", cwd=folder, **surroundings[number])
        assert done.returncode == 0, done.stderr
        return files_of(folder / "out" / "ep001" / "default")

    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(one, range(3)))
    expected = files_of(published.folder)
    for run in runs:
        assert {name for name in expected if run[name] != expected[name]} == set()


def test_a_parameter_changes_the_numbers(published: episode.EpisodeRun, tmp_path: Path) -> None:
    run = run_episode("ep001", {"fast": "10", "slow": "50"}, out=tmp_path, folder=EPISODES)
    assert run.folder.name == "fast-10_slow-50"
    old, new = (r.receipt["outputs"]["numbers"] for r in (published, run))
    assert new["fast"]["value"] == 10 and new["slow"]["value"] == 50
    assert (
        new["trades"]["value"] != old["trades"]["value"]
        and new["rule_end"]["value"] != old["rule_end"]["value"]
    )
    assert new["hold_end"]["value"] == old["hold_end"]["value"]
    said = f"It went in {new['trades']['value']} times."
    assert said in (run.folder / "script.md").read_text() and said in (run.folder / "index.html").read_text()


def test_without_the_tag_nothing_runs(tmp_path: Path) -> None:
    "If cleaning ever removed the tag, papermill would let the defaults win; we refuse instead."
    nb = nbformat.read(EP001, as_version=4)
    for cell in nb.cells:
        cell.metadata.tags = [tag for tag in cell.metadata.get("tags", []) if tag != "parameters"]
    nbformat.write(nb, tmp_path / "ep001_x.ipynb")
    with pytest.raises(EpisodeError, match="tagged 'parameters'"):
        run_episode("ep001", {"fast": 10}, folder=tmp_path, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fats": "10"}, "unknown parameter 'fats'; did you mean fast?"),
        ({"fast": "ten"}, "fast must be int"),
        ({"fast": "10.5"}, "fast must be int"),
        ({"fast": True}, "fast must be int"),
        ({"fees": "cheap"}, "fees must be float"),
        ({"symbol": 500}, "symbol must be str"),
    ],
)
def test_wrong_parameters_are_refused_by_name(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=re.escape(words)):
        run_episode("ep001", given, out=tmp_path, folder=EPISODES)
    assert not list(tmp_path.iterdir())


def test_whole_numbers_are_accepted_for_fractions(tmp_path: Path) -> None:
    assert episode.typed_parameters({"fees": 0.001, "on": True}, {"fees": "0", "on": "false"}) == {
        "fees": 0.0,
        "on": False,
    }


def test_a_failing_cell_stops_and_leaves_the_notebook(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="fast must be smaller than slow") as refusal:
        run_episode("ep001", {"fast": 200}, out=tmp_path, folder=EPISODES)
    assert "sma_cross(bars, fast=fast, slow=slow)" in str(refusal.value)
    partial = tmp_path / "ep001" / "fast-200.failed.ipynb"
    assert str(partial) in str(refusal.value)
    nb = nbformat.read(partial, as_version=4)
    errors = [
        out
        for cell in nb.cells
        if cell.cell_type == "code"
        for out in cell.outputs
        if out.output_type == "error"
    ]
    assert errors and errors[0].ename == "ValueError"
    assert not (tmp_path / "ep001" / "fast-200").exists()


def test_a_typed_number_stops_the_episode_before_it_runs(tmp_path: Path) -> None:
    nb = nbformat.read(EP001, as_version=4)
    nb.cells[0].source += "\n\nIt made 7% a year."
    nbformat.write(nb, tmp_path / "ep001_x.ipynb")
    with pytest.raises(NarrationError, match=r"cell 0 .*'7%'.*'It made 7% a year\.'"):
        run_episode("ep001", folder=tmp_path, out=tmp_path / "out")


def test_a_missing_sample_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="did you mean SPX") as refusal:
        run_episode("ep001", {"symbol": "SPXX"}, out=tmp_path, folder=EPISODES)
    assert "at.samples()" in str(refusal.value)


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    "Episode 1 on a CSV file, run once, with everything in a folder of its own."
    import alphatwin as at

    folder = tmp_path / "episodes"
    folder.mkdir()
    shutil.copy(EP001, folder / EP001.name)
    prices = tmp_path / "prices.csv"
    at.load("SPX", start="2006-01-01", end="2010-12-31").round(2).to_csv(prices)
    given = {"symbol": str(prices), "source": "csv", "adjust": "none"}
    run = run_episode("ep001", given, out=tmp_path / "out", folder=folder)
    return {"folder": folder, "prices": prices, "given": given, "run": run, "out": tmp_path / "out"}


def verdicts(own: dict[str, Any], given: dict[str, Any] | None = None) -> dict[str, tuple[str, ...]]:
    receipt = own["run"].folder / "receipt.json"
    found = verify_episode("ep001", given or own["given"], receipt=receipt, folder=own["folder"])
    assert [verdict.part for verdict in found] == ["source", "parameters", "data", "environment", "outputs"]
    return {verdict.part: verdict.details for verdict in found if not verdict.agrees}


def test_verify_agrees_and_one_byte_of_the_source_is_reported_as_source(own: dict[str, Any]) -> None:
    assert verdicts(own) == {}
    path = own["folder"] / EP001.name
    path.write_text(path.read_text().replace('fill=\\"next_close\\"', 'fill=\\"next_open\\"'))
    found = verdicts(own)
    assert set(found) == {"source", "outputs"}
    assert any(line.startswith("late_cagr.value") for line in found["outputs"])


def test_one_changed_price_moves_page_script_and_captions_together(own: dict[str, Any]) -> None:
    lines = own["prices"].read_text().splitlines()
    second = lines[2].split(",")  # time, open, high, low, close, volume: at this open holding begins
    second[1] = f"{(float(second[2]) + float(second[3])) / 2:.2f}"
    assert lines[2] != ",".join(second)
    lines[2] = ",".join(second)
    before = files_of(own["run"].folder)
    own["prices"].write_text("\n".join(lines) + "\n")
    found = verdicts(own)
    assert set(found) == {"data", "outputs"}
    assert any("file_sha256" in line for line in found["data"]) and any(
        "bars_sha256" in line for line in found["data"]
    )
    assert any(line.startswith("hold_end.value") for line in found["outputs"])
    run = run_episode("ep001", own["given"], out=own["out"], folder=own["folder"])
    after = files_of(run.folder)
    old, new = (r.receipt["outputs"]["numbers"]["hold_end"]["value"] for r in (own["run"], run))
    was, now = f"{old:,.0f}", f"{new:,.0f}"
    assert was != now
    for name in ("index.html", "script.md", "captions.srt", "captions.vtt"):
        flat_before, flat_after = (" ".join(content[name].decode().split()) for content in (before, after))
        assert was in flat_before and was not in flat_after and now in flat_after, name


def test_one_byte_in_an_unused_column_is_still_the_data(own: dict[str, Any]) -> None:
    text = own["prices"].read_text()
    own["prices"].write_text(text + "\n")
    found = verdicts(own)
    assert set(found) == {"data"} and all("file_sha256" in line for line in found["data"])


def test_another_parameter_is_reported_as_parameters(own: dict[str, Any]) -> None:
    found = verdicts(own, own["given"] | {"fast": 19})
    assert set(found) == {"parameters", "outputs"}
    assert "values.fast: 20 -> 19" in found["parameters"]


def test_another_library_is_reported_as_environment(
    own: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    "A copy of the package with one edited module, first on the path of the kernel."
    copy = tmp_path / "other"
    shutil.copytree(ROOT / "alphatwin", copy / "alphatwin", ignore=shutil.ignore_patterns("__pycache__"))
    module = copy / "alphatwin" / "metrics" / "risk.py"
    edited = module.read_text().replace("periods: float = 252", "periods: float = 253")
    assert edited != module.read_text()
    module.write_text(edited)
    monkeypatch.setenv("PYTHONPATH", str(copy))
    found = verdicts(own)
    assert set(found) == {"environment", "outputs"}
    assert any("alphatwin_sha256" in line for line in found["environment"])
    assert any(line.startswith("rule_sharpe.value") for line in found["outputs"])


def test_a_flipped_output_in_the_receipt_is_outputs_alone(own: dict[str, Any]) -> None:
    file = own["run"].folder / "receipt.json"
    receipt = json.loads(file.read_text())
    receipt["outputs"]["numbers"]["rule_end"]["value"] += 1e-9
    file.write_text(json.dumps(receipt))
    assert set(verdicts(own)) == {"outputs"}


def test_a_flipped_cause_in_the_receipt_is_that_cause(own: dict[str, Any]) -> None:
    file = own["run"].folder / "receipt.json"
    good = json.loads(file.read_text())
    fresh = own["run"].receipt
    for cause, path in {
        "source": ("source", "sha256"),
        "data": ("data", next(iter(good["causes"]["data"])), "file_sha256"),
        "environment": ("environment", "packages", "pandas"),
        "parameters": ("parameters", "values", "symbol"),
    }.items():
        spoilt = json.loads(json.dumps(good))
        place = spoilt["causes"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "x" + place[path[-1]][1:]
        assert [verdict.part for verdict in compare(spoilt, fresh) if not verdict.agrees] == [cause]


def test_damaged_and_missing_receipts(own: dict[str, Any], tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(EpisodeError, match="not a readable receipt"):
        verify_episode("ep001", own["given"], receipt=broken, folder=own["folder"])
    with pytest.raises(EpisodeError, match="run the episode first"):
        verify_episode("ep001", {"fast": 7}, folder=own["folder"], out=tmp_path / "nothing")


def test_an_interrupted_run_keeps_the_old_result(
    own: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(own["run"].folder)

    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(episode, "build_episode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_episode("ep001", own["given"], out=own["out"], folder=own["folder"])
    assert files_of(own["run"].folder) == before
    assert [p.name for p in own["run"].folder.parent.iterdir()] == [own["run"].folder.name]


def test_ctrl_c_in_the_program(tmp_path: Path) -> None:
    "A real interrupt, in the middle of a real run: one line, exit code 130, nothing left behind."
    import signal
    import time

    command = [*PROGRAM, "episode", "run", str(EP001), "--out", str(tmp_path)]
    # A shell that runs tests in the background ignores the interrupt key, and children would inherit that.
    ready = {"start_new_session": True, "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **ready)
    assert process.stderr is not None
    seen = ""
    while "cell/s" not in seen:  # The bar is there: the kernel is at work
        one = process.stderr.read(1)
        assert one, f"it ended without a bar: {seen}"
        seen += one
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert error.strip().splitlines()[-1].startswith("alphatwin: interrupted")
    assert not (tmp_path / "ep001" / "default").exists()


def test_the_program_runs_and_verifies(tmp_path: Path) -> None:
    done = shell("episode", "run", str(EP001), "--out", str(tmp_path), "-p", "end=2005-12-31", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in (
        "notebook.ipynb",
        "index.html",
        "script.md",
        "captions.srt",
        "captions.vtt",
        "figure-01.png",
        "receipt.json",
    ):
        assert name in done.stdout, name
    again = shell("verify", str(EP001), "--out", str(tmp_path), "-p", "end=2005-12-31", cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("agrees") == 5
    wrong = shell("episode", "run", str(EP001), "-p", "fats=1", cwd=tmp_path)
    assert wrong.returncode == 1 and "did you mean fast?" in wrong.stderr and "Traceback" not in wrong.stderr


def test_the_program_reports_a_difference(tmp_path: Path) -> None:
    receipt = json.loads(EP001.with_name("ep001_moving_average.receipt.json").read_text())
    receipt["outputs"]["numbers"]["rule_end"]["value"] = 1.0
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt))
    done = shell("verify", "ep001", "--receipt", str(file), cwd=ROOT)
    assert done.returncode == 1 and "rule_end.value: 1.0 -> 149336" in done.stdout
    assert "Not reproduced: " in done.stdout


def test_another_environment_is_named_and_forgiven_unless_one_is_strict(tmp_path: Path) -> None:
    receipt = json.loads(EP001.with_name("ep001_moving_average.receipt.json").read_text())
    receipt["causes"]["environment"]["python"] = "3.99.0"
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt))
    done = shell("verify", "ep001", "--receipt", str(file), cwd=ROOT)
    assert (
        done.returncode == 0 and "environment  DIFFERS" in done.stdout and "python: 3.99.0 ->" in done.stdout
    )
    assert "Reproduced in another environment" in done.stdout
    assert shell("verify", "ep001", "--receipt", str(file), "--strict", cwd=ROOT).returncode == 1


def test_a_kernel_that_dies_is_said_to_have_died(tmp_path: Path) -> None:
    nb = nbformat.read(EP001, as_version=4)
    nb.cells.insert(3, nbformat.v4.new_code_cell("import os\n\nos._exit(7)"))
    nbformat.write(nb, tmp_path / "ep001_x.ipynb")
    with pytest.raises(EpisodeError, match="the kernel died"):
        run_episode("ep001", folder=tmp_path, out=tmp_path / "out")


def test_a_kernel_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ipykernel").mkdir()
    (tmp_path / "ipykernel" / "__init__.py").write_text("raise ImportError('planted fault')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EpisodeError, match="(?s)the kernel died.*planted fault"):
        run_episode("ep001", folder=EPISODES, out=tmp_path / "out")
