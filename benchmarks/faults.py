"""Plant a million faults into true series, and count what the rules find and whom they accuse.

    python benchmarks/faults.py                    a million cases, writes benchmarks/faults.json
    python benchmarks/faults.py --cases 20000      a small run, prints only

Every experiment is seeded by the fault's name and its own number, so the counts are the same whatever the number of
workers. Each fault gets the same share of the cases.
"""

import argparse
import json
import math
import multiprocessing
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

from alphatwin.data.faults import all_faults
from alphatwin.data.laboratory import Tally, by_size, experiment, join, run_fault, summarise

BATCH = 20  # Experiments that a worker does at a time
FIRST = 60  # Cases a fault that a test repeats, to see whether the rules are still those of the table
RESULT = Path(__file__).with_suffix(".json")


def work(batch: tuple[str, int, int]) -> Tally:
    "Do some experiments with one fault."
    name, first, last = batch
    done = []
    for number in range(first, last):
        try:
            done.append(experiment(name, number))
        except Exception as fault:
            raise RuntimeError(f"{name}, experiment {number}: {type(fault).__name__}: {fault}") from fault
    return join(done)


def plan(name: str, done: int, have: int, wanted: int) -> list[tuple[str, int, int]]:
    "Batches that will bring about as many further cases as are wanted."
    if have >= wanted:
        return []
    more = math.ceil((wanted - have) / (have / done)) if have else 6
    return [(name, first, min(first + BATCH, done + more)) for first in range(done, done + more, BATCH)]


def run(cases: int, workers: int, names: list[str] | None = None) -> dict[str, Tally]:
    "Do experiments until each fault has its share of the cases."
    chosen = names or list(all_faults())
    wanted = math.ceil(cases / len(chosen))
    tallies: dict[str, list[Tally]] = {name: [] for name in chosen}
    done, have = dict.fromkeys(chosen, 0), dict.fromkeys(chosen, 0)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        while batches := [b for name in chosen for b in plan(name, done[name], have[name], wanted)]:
            for (name, first, last), tally in zip(batches, pool.map(work, batches), strict=True):
                tallies[name].append(tally)
                done[name] += last - first
                have[name] += len(tally.found)
    return {name: join(parts) for name, parts in tallies.items()}


def report(tallies: dict[str, Tally]) -> dict[str, object]:
    "What is written down: the table, recall by size, and who accused whom."
    table = summarise(tallies).reset_index()
    sizes = {
        name: by_size(tally).round(6).to_numpy().tolist()
        for name, tally in tallies.items()
        if all_faults()[name].size != "none"
    }
    return {
        "cases": int(table["cases"].sum()),
        "clean_bars": int(table["clean_bars"].sum()),
        "table": json.loads(table.round(6).to_json(orient="records")),
        "recall_by_size": dict(sorted(sizes.items())),
        "accusers": {name: dict(sorted(tally.accusers.items())) for name, tally in sorted(tallies.items())},
    }


def first_outcomes(tallies: dict[str, Tally]) -> dict[str, list[int]]:
    "Cases, found, seen and accused of the first experiments with each fault."
    return {
        name: [len(tally.found), int(tally.found.sum()), int(tally.seen.sum()), tally.accused]
        for name, tally in tallies.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true", help="write faults.json after a small run, too")
    asked = parser.parse_args()
    start = time.perf_counter()
    tallies = run(asked.cases, asked.workers)
    seconds = time.perf_counter() - start
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    result = {
        "seconds": round(seconds, 1),
        "workers": asked.workers,
        "machine": machine,
        **report(tallies),
        "first": first_outcomes({name: run_fault(name, FIRST) for name in tallies}),
    }
    with pd.option_context("display.width", 160, "display.max_rows", 100, "display.max_columns", 20):
        print(
            summarise(tallies)[["cases", "recall", "seen", "false_alarms", "per_1000", "precision"]].round(4)
        )
    print(f"{result['cases']:,} cases, {result['clean_bars']:,} true bars, {seconds:.0f} s, {machine}")
    if asked.write or asked.cases >= 1_000_000:
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
