"""Re-execute the committed notebooks: write fresh outputs, or prove that the committed ones are fresh.

python -m alphatwin_book.execute            run all notebooks and write their outputs
python -m alphatwin_book.execute --check    run all and report every output that is not what is committed
python -m alphatwin_book.execute nbs/lessons/l01_what_is_a_return.ipynb
"""

import argparse
import base64
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from alphatwin.content.episode import build_episode, find_episode, parameters_of
from alphatwin.content.receipt import COLLECT, MIME, look_of, same_look
from alphatwin.content.runs import fixed_environment, kernel_manager, normalise, notebook_text, read_notebook
from alphatwin_book.nursery import forking

ROOT = Path(__file__).resolve().parent.parent


def all_notebooks() -> list[Path]:
    "Every committed notebook of the book, slowest kinds first."
    found = [
        p for p in (ROOT / "nbs").rglob("*.ipynb") if not any(part.startswith((".", "_")) for part in p.parts)
    ]
    return sorted(found, key=lambda p: (-p.stat().st_size, p))


def execute(path: Path, plain: bool = True) -> tuple[Any, dict[str, Any]]:
    "Run one notebook from the top in a fresh kernel; return it normalised, and what it loaded and imported."
    whole = plain or path.parent.name in (
        "episodes",
        "9_content",
    )  # They start kernels themselves, or tell what they imported
    manager = kernel_manager() if whole else forking(kernel_manager())
    nb = read_notebook(path)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nb.cells.append(nbformat.v4.new_code_cell(COLLECT, id="collect"))
    with fixed_environment(), tempfile.TemporaryDirectory() as folder:
        options = {"kernel_name": "python3", "kernel_manager_class": manager, "timeout": 300}
        NotebookClient(nb, resources={"metadata": {"path": folder}}, **options).execute()
    collected = next(o.data[MIME] for o in nb.cells.pop().outputs if MIME in o.get("data", {}))
    return normalise(nb), collected


def receipt_of(path: Path, nb: Any, collected: dict[str, Any]) -> str | None:
    "The receipt of an episode that ran with its own parameters; None for other notebooks."
    if path.parent.name != "episodes":
        return None
    values = parameters_of(read_notebook(path))
    return build_episode(path.stem, nb, collected, {"given": {}, "values": values})["receipt.json"].decode()


def same_output(old: Any, new: Any) -> bool:
    "Whether two outputs of a cell are the same; pictures may differ by a few shades."
    old, new = json.loads(json.dumps(old)), json.loads(json.dumps(new))
    pictures = [output.get("data", {}).pop("image/png", None) for output in (old, new)]
    if old != new or (pictures[0] is None) != (pictures[1] is None):
        return False
    if pictures[0] is None or pictures[0].strip() == pictures[1].strip():
        return True
    looks = [look_of(base64.b64decode(picture)) for picture in pictures]
    return same_look(looks[0], looks[1])


def stale_cells(old: Any, new: Any) -> list[str]:
    "Name the cells whose committed outputs are not what a fresh run gives."
    found = []
    for number, (was, now) in enumerate(zip(old.cells, new.cells, strict=True)):
        if was.cell_type != "code":
            continue
        fresh = len(was.outputs) == len(now.outputs) and all(map(same_output, was.outputs, now.outputs))
        if not fresh:
            found.append(f"cell {number} ({was.get('id')}): {''.join(was.source).splitlines()[-1][:70]}")
    return found


def work(path: Path, check: bool, plain: bool) -> tuple[Path, list[str], float]:
    "Run one notebook and write or compare it; return what is wrong, and the seconds that it took."
    start = time.monotonic()
    wrong = run_and_compare(path, check, plain)
    return path, wrong, time.monotonic() - start


def run_and_compare(path: Path, check: bool, plain: bool) -> list[str]:
    "Run one notebook and write or compare it; return what is wrong."
    try:
        fresh, collected = execute(path, plain)
        receipt = receipt_of(path, fresh, collected)
    except CellExecutionError as fault:
        return [f"a cell fails\n{fault}"]
    except Exception as fault:
        return [f"{type(fault).__name__}: {fault}"]
    noisy = [
        str(number)
        for number, cell in enumerate(fresh.cells)
        for out in cell.get("outputs", [])
        if out.get("name") == "stderr"
    ]
    if noisy:
        return [f"prints warnings or errors in cell {', '.join(noisy)}; a page of the book does not"]
    published = path.with_name(path.stem + ".receipt.json")
    if not check:
        path.write_text(notebook_text(fresh), encoding="utf-8")
        if receipt is not None:
            published.write_text(receipt, encoding="utf-8")
        return []
    wrong = stale_cells(normalise(read_notebook(path)), fresh)
    if receipt is not None and not published.exists():
        wrong.append(f"no receipt {published.name}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if committed outputs are not fresh"
    )
    parser.add_argument(
        "--plain", action="store_true", help="start every kernel in the usual way, which is slower"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    paths = [
        p.resolve() if p.exists() else find_episode(str(p)).resolve() for p in asked.notebooks
    ] or all_notebooks()
    bad = 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        jobs = [pool.submit(work, path, asked.check, asked.plain) for path in paths]
        for done, job in enumerate(as_completed(jobs), 1):
            path, wrong, seconds = job.result()
            bad += bool(wrong)
            said = "STALE OR FAILING" if wrong else "ok"
            print(
                f"[{done:>2}/{len(paths)}] {path.relative_to(ROOT)} {said} in {seconds:.1f} s",
                flush=True,
            )
            for line in wrong:
                print("    " + line.replace("\n", "\n    "), flush=True)
    verb = "fresh" if asked.check else "written"
    print(
        f"{len(paths) - bad} notebooks {verb}, {bad} not"
        + ("; `make run` writes fresh outputs" if bad and asked.check else "")
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
