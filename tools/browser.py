"""Make sure that there is a Chromium for the browser test: through apt where that is allowed.

Without one the browser test is skipped by name; this program never fails for that.
"""

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found:
        print(f"browser: {found}")
        return
    if not (shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0):
        print(
            "browser: no Chromium found and no right to install one; the browser test will be skipped (apt install chromium)"
        )
        return
    print("browser: installing Debian's chromium (once)", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            print(
                f"browser: {' '.join(command)} failed; the browser test will be skipped\n{done.stderr[-500:]}"
            )
            return
    print(f"browser: {shutil.which('chromium')}")


if __name__ == "__main__":
    main()
