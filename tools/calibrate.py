"""Write alphatwin/optimize/tables/calibration.csv: how often each verdict on a search is wrong.

`make calibration`, some minutes on two cores. The seeds are fixed, so the same releases give the same file.
"""

import os
import sys
from pathlib import Path

# One thread a process: the processes fill the cores, and a sum does not depend on how many threads shared it.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import pandas as pd

from alphatwin.optimize.calibration import LENGTHS, MEMORIES, TRIALS, calibrate

FILE = Path(__file__).resolve().parent.parent / "alphatwin" / "optimize" / "tables" / "calibration.csv"


def main() -> None:
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1
    places, parts = len(LENGTHS) * len(TRIALS) * len(MEMORIES), []
    for number, part in enumerate(calibrate(workers), 1):
        parts.append(part)
        length, trials, memory = part.loc[0, ["length", "trials", "memory"]]
        print(f"[{number:3} of {places}] {length:,} bars, {trials:,} trials, memory {memory}", flush=True)
    FILE.parent.mkdir(exist_ok=True)
    pd.concat(parts).to_csv(FILE, index=False, float_format="%.6g")
    print(f"calibrate: {FILE.name} written")


if __name__ == "__main__":
    main()
