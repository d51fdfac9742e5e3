"""Make README.md and its picture from nbs/index.ipynb: `python -m alphatwin_book.readme [--check]`."""

import argparse
import base64
import re
import sys
from pathlib import Path
from typing import Any

from alphatwin.content.page import alt_texts
from alphatwin.content.runs import read_notebook

ROOT = Path(__file__).resolve().parent.parent
PICTURE = "README_files/result.png"


def repository_links(text: str) -> str:
    "Point links of the notebook, which stands in nbs/, at the files as seen from the top of the repository."
    return re.sub(r"\]\((?!https?:|#|mailto:)([^)]+)\)", r"](nbs/\1)", text)


def cell_text(cell: Any, pictures: list[bytes]) -> str:
    "One cell as markdown; its pictures are collected."
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return repository_links(source.replace("```{mermaid}", "```mermaid"))
    if source.startswith("#| hide"):
        return ""
    code = re.sub(r"^(?:#\|.*\n)+", "", source)
    parts = [f"```python\n{code}\n```"]
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            pictures.append(base64.b64decode(data["image/png"]))
            parts.append(f"![{alt_texts({'cells': [cell]})[0]}]({PICTURE})")
        elif text := "".join(data.get("text/plain", output.get("text", ""))).rstrip():
            said = "\n".join(line.rstrip() for line in text.splitlines())
            parts.append(f"```text\n{said}\n```")
    return "\n\n".join(parts)


def make_readme() -> tuple[str, bytes]:
    "Return the text of README.md and its one picture."
    nb = read_notebook(ROOT / "nbs" / "index.ipynb")
    pictures: list[bytes] = []
    blocks = [text for cell in nb["cells"] if (text := cell_text(cell, pictures))]
    if len(pictures) != 1:
        raise SystemExit(
            f"readme: nbs/index.ipynb shows {len(pictures)} pictures, not one; `make run NB=nbs/index.ipynb` executes it"
        )
    note = "<!-- Made from nbs/index.ipynb by `make export`; edit the notebook. -->"
    return "\n\n".join([note, *blocks]) + "\n", pictures[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if README.md is not what it would be"
    )
    check = parser.parse_args().check
    text, picture = make_readme()
    targets = {ROOT / "README.md": text.encode(), ROOT / PICTURE: picture}
    stale = [
        path.name for path, content in targets.items() if not path.exists() or path.read_bytes() != content
    ]
    if check:
        print(
            f"readme: {', '.join(stale)} not in sync with nbs/index.ipynb; `make export`"
            if stale
            else "readme: in sync"
        )
        return 1 if stale else 0
    for path, content in targets.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
