"""What `import alphatwin` costs over a bare `import pandas`: whole processes, interleaved, medians.

    make bench        measure and write benchmarks/import_cost.json

The bar is 0.3 s on a quiet two-core machine; the import is lazy, so it should be near zero.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

STATEMENTS = {
    "bare pandas": "import pandas",
    "pandas and alphatwin": "import pandas, alphatwin",
    "alphatwin alone": "import alphatwin",
}
ROUNDS = 15


def once(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    for statement in STATEMENTS.values():
        once(statement)
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(ROUNDS):
        for name, statement in STATEMENTS.items():
            times[name].append(once(statement))
    medians = {name: round(statistics.median(values), 4) for name, values in times.items()}
    added = round(medians["pandas and alphatwin"] - medians["bare pandas"], 4)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    result = {
        "medians_s": medians,
        "added_over_pandas_s": added,
        "bar_s": 0.3,
        "rounds": ROUNDS,
        "machine": machine,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
