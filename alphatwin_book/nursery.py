"""Kernels that are born with their libraries: one process imports them once, and each kernel is a fork of it.

Starting Python and importing pandas, matplotlib, numba and the house takes longer than most notebooks of the book take to run.
A fork has never run a reader's code, so it is as fresh as a kernel that was started in the usual way. It is used only
where many notebooks are executed in a row, on systems that can fork; episodes, whose receipts list what was imported,
start their kernels in the usual way.

    python -m alphatwin_book.nursery     wait for orders on the standard input, one JSON object a line
"""

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

# Not pyplot: when it is imported it looks for the notebook that it is to draw into.
LIBRARIES = (
    "numpy pandas IPython ipykernel.kernelapp ipykernel.ipkernel numba scipy.stats scipy.signal pyarrow.parquet "
    "matplotlib.figure matplotlib.axes matplotlib.font_manager matplotlib.backends.backend_agg matplotlib.ticker"
).split()


def serve() -> None:
    "Import the libraries, then fork and look after the children until the input ends."
    import importlib

    for name in LIBRARIES:
        importlib.import_module(name)
    house = importlib.import_module("alphatwin")
    for name in dir(house):  # Each is loaded on first use; here all are used
        getattr(house, name)
    gc.freeze()  # What is shared is not touched by the children's collectors
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            pid, status = os.waitpid(order["poll"], os.WNOHANG)
            answers.write(json.dumps(os.waitstatus_to_exitcode(status) if pid else None) + "\n")
            continue
        pid = os.fork()
        if pid == 0:
            become_kernel(order)
        answers.write(f"{pid}\n")
    answers.close()


def become_kernel(order: dict[str, Any]) -> None:
    "Turn this fork into a kernel: its own session, folder, environment and diary."
    os.setsid()
    diary, nothing = (
        os.open(order["diary"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        os.open(os.devnull, os.O_RDWR),
    )
    for target, source in ((0, nothing), (1, diary), (2, diary)):
        os.dup2(source, target)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode) for fd, mode in ((0, "r"), (1, "w"), (2, "w")))
    sys.path[0] = ""
    sys.argv = order["argv"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import pandas as pd
    from ipykernel.kernelapp import IPKernelApp

    pd.set_option("display.max_columns", 20)  # pandas asked when it was imported, and found no notebook then
    code = 1
    try:
        IPKernelApp.launch_instance()
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


class Nursery:
    "The process that forks, from the outside."

    def __init__(self) -> None:
        command = [sys.executable, "-m", "alphatwin_book.nursery"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=Path(__file__).parent.parent, **pipes)  # type: ignore[call-overload]

    def ask(self, order: dict[str, Any]) -> Any:
        "Give an order and wait for its answer."
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that forks kernels has died; run again with --plain to see why")
        return json.loads(answer)


class Forked:
    "A forked kernel, with as much of `subprocess.Popen` as its manager uses."

    stdin = stdout = stderr = None

    def __init__(self, nursery: Nursery, order: dict[str, Any]) -> None:
        self.nursery, self.returncode = nursery, None
        self.pid: int = nursery.ask(order)

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.nursery.ask({"poll": self.pid})
        return self.returncode

    def wait(self) -> int | None:
        return self.poll()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


_NURSERIES: list[Nursery] = []


def forking(manager: type) -> type:
    "Return a kernel manager whose kernels are forks; on systems without fork the manager itself."
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return manager

    class ForkingManager(manager):
        async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
            if not _NURSERIES:
                _NURSERIES.append(Nursery())
            place = kernel_cmd.index("-m") if "-m" in kernel_cmd else 0
            order = {
                "argv": ["kernel", *kernel_cmd[place + 2 :]],
                "env": dict(options.get("env") or os.environ),
                "cwd": str(options.get("cwd") or Path.cwd()),
                "diary": str(self.folder / "diary"),
            }
            made = Forked(_NURSERIES[0], order)
            self.provisioner.process = made
            self.provisioner.pid = self.provisioner.pgid = made.pid
            self.provisioner.cwd = order["cwd"]

    return ForkingManager


if __name__ == "__main__":
    serve()
