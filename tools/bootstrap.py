"""Make .venv in the clone and install what a command needs, once.

Runs on a bare Python 3.11+ (standard library only):  python3 tools/bootstrap.py [core|dev]
`core` runs episodes; `dev` adds notebooks, site, tests and linters. A stamp in .venv makes the
second call free; a changed settings.ini or constraints.txt makes it stale.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
INPUTS = ["settings.ini", "setup.py", "pyproject.toml", "constraints.txt", "tools/bootstrap.py"]


def stop(message: str) -> None:
    sys.exit(f"\nset-up: {message}")


def fingerprint() -> str:
    "One hash of everything that decides what is installed, the clone's place included."
    parts = [str(ROOT), sys.version] + [(ROOT / name).read_text(encoding="utf-8") for name in INPUTS]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def make_venv() -> None:
    "Create .venv; on Debian without python3-venv say what is missing, or install it where that is allowed."
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if subprocess.run(command, capture_output=True).returncode == 0:
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    may_install = shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0
    if may_install:
        print(f"set-up: this Python cannot make virtual environments; installing {package}", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", package], check=False)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        stop(
            f"{' '.join(command)} failed.\n{done.stdout}{done.stderr}\nOn Debian or Ubuntu: sudo apt install {package}"
        )


def pip_install(arguments: list[str], what: str) -> None:
    "Run pip quietly with a line of progress; on failure show the end of its log."
    log_path = VENV / "setup.log"
    python = VENV / "bin" / "python"
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        *arguments,
    ]
    live, start, packages, shown = sys.stdout.isatty(), time.monotonic(), 0, 0.0
    with log_path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                log.write(line)
                packages += line.startswith("Collecting ")
                now = time.monotonic()
                step = "unpacking" if line.startswith("Installing collected") else "fetching"
                if live or now - shown > 10 or step == "unpacking":
                    text = f"set-up: {what}: {step}, {packages} packages, {now - start:.0f} s"
                    print(f"\r{text:<78}" if live else text, end="" if live else "\n", flush=True)
                    shown = now
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            stop("interrupted; the next call starts again where nothing is lost.")
    if live:
        print()
    if process.wait():
        tail = "".join(log_path.read_text(encoding="utf-8").splitlines(keepends=True)[-25:])
        stop(f"pip could not install {what}:\n{tail}\nThe whole log: {log_path.relative_to(ROOT)}")


def main(level: str) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  (this very program may be started by an older Python)
        stop(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: make PYTHON=/path/to/python3.11 ..."
        )
    stamps = {name: VENV / f"{name}.stamp" for name in ("core", "dev")}
    mark = fingerprint()
    good = {name for name, path in stamps.items() if path.exists() and path.read_text() == mark}
    if level in good or "dev" in good:
        return
    start = time.monotonic()
    if not good:
        print(
            f"set-up: making .venv with Python {sys.version.split()[0]} (once; two or three minutes)",
            flush=True,
        )
        make_venv()
    target = "." if level == "core" else ".[dev]"
    pip_install(
        ["-c", "constraints.txt", "-e", target],
        "what episodes need" if level == "core" else "what the tests need",
    )
    stamps[level].write_text(mark)
    print(f"set-up: done in {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    choice = sys.argv[1] if len(sys.argv) > 1 else "core"
    if choice not in ("core", "dev"):
        stop(f"unknown level {choice!r}: core or dev")
    main(choice)
