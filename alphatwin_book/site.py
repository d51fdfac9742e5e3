"""Build the site: `python -m alphatwin_book.site [--out _site]`.

Quarto builds it where it is on PATH. Elsewhere smalldocs does, from the same `_quarto.yml`, in a staged copy below
`_build/`: the notebooks go through the same filter, and the pages are mended so that they ask for nothing outside
(formulas become MathML, diagrams become pictures, one stylesheet carries both themes).
"""

import argparse
import functools
import html
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from alphatwin_book import links
from alphatwin_book.nbfilter import build_index, filter_notebook, find_root

ASSETS = Path(__file__).parent / "assets"
STAGE = Path("_build") / "_site_stage"
WATCHED = ("nbs", "theme", "_quarto.yml", "index.html")


class SiteError(Exception):
    "A site that cannot be built, with a message that says why."


# ---------------------------------------------------------------- what smalldocs does not know


def plain_config(
    config: dict[str, Any],  # `_quarto.yml` as read
) -> dict[str, Any]:  # The same site in the keys that smalldocs reads
    "Leave out what only Quarto understands; the stage holds filtered notebooks and one stylesheet for both themes."
    from smalldocs.config import HTML_OPTIONS

    page = {key: value for key, value in config["format"]["html"].items() if key in HTML_OPTIONS}
    page["theme"] = {"light": "default", "dark": "bootstrap"}  # two, or there is no toggle; see `one_theme`
    kept = {key: value for key, value in config.items() if key not in ("format", "execute")}
    return {**kept, "format": {"html": page}}


REFERENCE = re.compile(r"(?<![\w`\[])@((?:fig|tbl|eq|sec)-[\w-]+)")
KINDS = {"fig": "Figure", "tbl": "Table", "eq": "Equation", "sec": "Section"}


def number_references(
    texts: list[str],  # The sources of a page's cells, in order
) -> list[str]:  # The same with `@fig-x` as a numbered link and numbered captions
    "Number what is labelled, in reading order, and turn references into links, as Quarto does."
    whole = "\n".join(texts)
    labels = re.findall(r"^#\|\s*label:\s*((?:fig|tbl)-[\w-]+)|\{#((?:fig|tbl|eq|sec)-[\w-]+)", whole, re.M)
    numbers: dict[str, int] = {}
    for pair in labels:
        label = pair[0] or pair[1]
        kind = label.split("-")[0]
        numbers.setdefault(label, 1 + sum(known.startswith(kind + "-") for known in numbers))

    def link(found: re.Match[str]) -> str:
        label = found.group(1)
        if label not in numbers:
            return found.group(0)
        return f"[{KINDS[label.split('-')[0]]} {numbers[label]}](#{label})"

    def caption(text: str) -> str:
        own = re.search(r"^#\|\s*label:\s*((?:fig|tbl)-[\w-]+)", text, re.M)
        if own:
            kind = own.group(1).split("-")[0]
            text = re.sub(
                rf'^(#\|\s*{kind}-cap:\s*)(["\']?)',
                rf"\g<1>\g<2>{KINDS[kind]} {numbers[own.group(1)]}. ",
                text,
                flags=re.M,
            )
        # A labelled formula keeps its number beside it and its name as an anchor.
        return re.sub(
            r"\$\$\s*\{#(eq-[\w-]+)\}",
            lambda m: rf"\qquad ({numbers[m.group(1)]})$$" + f"\n\n[]{{#{m.group(1)}}}",
            text,
        )

    return [caption(text) if text.startswith("#|") else REFERENCE.sub(link, caption(text)) for text in texts]


def stage_project(
    root: Path,  # The project
    stage: Path,  # Where the copy goes; emptied first
) -> int:  # How many notebooks were filtered
    "Copy what the site is made of, with every notebook filtered."
    shutil.rmtree(stage, ignore_errors=True)
    config = yaml.safe_load((root / "_quarto.yml").read_text(encoding="utf-8"))
    stage.mkdir(parents=True)
    (stage / "_quarto.yml").write_text(
        yaml.safe_dump(plain_config(config), sort_keys=False), encoding="utf-8"
    )
    for name in ("theme", "index.html"):
        source = root / name
        if source.is_dir():
            shutil.copytree(source, stage / name)
        elif source.is_file():
            shutil.copy(source, stage / name)
    try:
        index = build_index(root)
    except ValueError as problem:
        raise SiteError(str(problem)) from problem
    count = 0
    for path in sorted((root / "nbs").rglob("*")):
        where = path.relative_to(root)
        if path.is_dir() or any(part.startswith((".", "_")) for part in where.parts):
            continue
        target = stage / where
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".ipynb":
            try:
                notebook = json.loads(path.read_text(encoding="utf-8"))
                page = filter_notebook(notebook, index, where.parent.as_posix())
            except Exception as problem:
                raise SiteError(f"{where.as_posix()}: {type(problem).__name__}: {problem}") from problem
            texts = number_references([cell["source"] for cell in page["cells"]])
            for cell, text in zip(page["cells"], texts, strict=True):
                cell["source"] = text
            target.write_text(json.dumps(page, ensure_ascii=False), encoding="utf-8")
            count += 1
        elif path.suffix == ".qmd":
            target.write_text(number_references([path.read_text(encoding="utf-8")])[0], encoding="utf-8")
        else:
            shutil.copy(path, target)
    return count


# ---------------------------------------------------------------- mending the pages


# A prime is small and raised as it is; as a superscript it can hardly be seen.
PRIME = re.compile(r"<msup>(<mi>[^<]*</mi>)<mi>&#x02032;</mi></msup>")


def mathml(page: str) -> str:
    "Write formulas as MathML, which browsers draw without a script."
    from latex2mathml.converter import convert

    def one(found: re.Match[str]) -> str:
        display = found.group(1) == "display"
        tex = html.unescape(found.group(2)).strip()[2:-2]
        markup = convert(tex, display="block" if display else "inline")
        markup = PRIME.sub(r'\1<mo lspace="0" rspace="0">&#x02032;</mo>', markup)
        return f'<span class="math {found.group(1)}">{markup}</span>'

    page = re.sub(r'<span class="math (inline|display)">(.*?)</span>', one, page, flags=re.S)
    return re.sub(r"<(?:link|script)[^>]*cdn\.jsdelivr\.net/npm/katex[^>]*>(?:</script>)?", "", page)


# While mermaid draws, colours unlike any that it makes itself stand for the theme's variables.
INK = {
    "--at-ground": "background edgeLabelBackground",
    "--at-node": "mainBkg primaryColor actorBkg",
    "--at-text": "primaryTextColor secondaryTextColor tertiaryTextColor textColor titleColor noteTextColor "
    "actorTextColor signalTextColor labelTextColor loopTextColor",
    "--at-accent": "primaryBorderColor secondaryBorderColor nodeBorder noteBorderColor actorBorder "
    "labelBoxBorderColor activationBorderColor",
    "--at-muted": "lineColor actorLineColor signalColor arrowheadColor",
    "--at-panel": "secondaryColor tertiaryColor clusterBkg noteBkgColor labelBoxBkgColor activationBkgColor",
    "--at-edge": "clusterBorder tertiaryBorderColor",
}
STANDS_FOR = {f"#01010{number}": f"var({name})" for number, name in enumerate(INK)}
COLOURS = {key: f"#01010{number}" for number, keys in enumerate(INK.values()) for key in keys.split()}


@functools.cache
def draw_diagram(
    source: str,  # Mermaid text
) -> str:  # An inline SVG whose colours follow the page's theme
    "Draw a mermaid diagram while the site is built, so that the page needs no script for it."
    import mermaidx

    setup = json.dumps({"theme": "base", "themeVariables": {**COLOURS, "fontSize": "15px"}})
    svg: str = mermaidx.render(f"%%{{init: {setup}}}%%\n{source}").svg()
    for colour, variable in STANDS_FOR.items():
        svg = svg.replace(colour, variable)
    svg = re.sub(r"rgba\(1, 1, \d, 0\.5\)", "var(--at-ground)", svg)
    svg = svg.replace("display: table-cell;", "display: block;")  # so that labels are centred in any font
    size = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg)
    if size is None:
        raise SiteError(f"mermaid drew nothing from:\n{source}")
    wide = float(size.group(1))
    limits = (
        f"max-width: {wide:.0f}px; min-width: {wide * 0.75:.0f}px"  # narrower than that it scrolls in its box
    )
    return re.sub(r'style="max-width:[^"]*"', f'style="{limits}"', svg, count=1)


def diagrams(page: str) -> str:
    "Replace the page's mermaid text by pictures."
    count = 0

    def one(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        svg = draw_diagram(html.unescape(found.group(1))).replace("my-svg", f"diagram-{count}")
        return f'<div class="diagram" role="figure">{svg}</div>'

    page = re.sub(r'<pre class="mermaid">(.*?)</pre>', one, page, flags=re.S)
    return re.sub(r"<script type=\"module\">import mermaid from .*?</script>", "", page, flags=re.S)


def one_theme(page: str) -> str:
    "Join the two theme links into one sheet, whose colours follow an attribute that is set before the page paints."
    head = (ASSETS / "head.js").read_text(encoding="utf-8")
    sheets = re.findall(r"<link[^>]*quarto-color-scheme[^>]*>", page)
    scripts = re.findall(r"<script>\(function\(\)\{var d=document\.documentElement.*?</script>", page, re.S)
    if len(sheets) != 2 or len(scripts) != 1:
        raise SiteError("smalldocs writes its theme links differently: `one_theme` needs a look")
    href = re.search(r'href="([^"]*)"', sheets[0])
    assert href is not None
    page = page.replace(sheets[0], f'<script>{head}</script><link rel="stylesheet" href="{href.group(1)}">')
    return page.replace(sheets[1], "").replace(scripts[0], "")


def mend_script(site: Path) -> None:
    "Put the house's toggle into smalldocs' script in place of its own."
    path = site / "site_libs" / "smalldocs.js"
    text = path.read_text(encoding="utf-8")
    start, end = text.find("  // ---- light or dark"), text.find("  // ---- margin notes")
    if not 0 < start < end:
        raise SiteError("smalldocs.js has changed: `mend_script` needs a look")
    toggle = (ASSETS / "toggle.js").read_text(encoding="utf-8")
    path.write_text(text[:start] + toggle + "\n" + text[end:], encoding="utf-8")


def mend_site(site: Path) -> int:
    "Mend every page that smalldocs has built; returns how many."
    pages = [p for p in sorted(site.rglob("*.html")) if p != site / "index.html"]
    for path in pages:
        try:
            text = one_theme(diagrams(mathml(path.read_text(encoding="utf-8"))))
        except Exception as problem:
            raise SiteError(
                f"{path.relative_to(site).as_posix()}: {type(problem).__name__}: {problem}"
            ) from problem
        path.write_text(text, encoding="utf-8")
    mend_script(site)
    for sheet in (site / "site_libs").rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        if "fonts.googleapis" in text:
            sheet.write_text(
                re.sub(r"@import\s+url\([^)]*fonts\.googleapis[^)]*\);?", "", text), encoding="utf-8"
            )
    return len(pages)


# ---------------------------------------------------------------- the two builders


def replace_folder(new: Path, out: Path) -> None:
    "Put a finished site in place of an older one; never of anything else."
    if out.exists() and any(out.iterdir()) and not (out / "site_libs").is_dir():
        raise SiteError(f"{out} is not empty and is not a built site: give another --out")
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(new, out)


def build_plain(root: Path, out: Path, say: Callable[[str], None], reload: bool = False) -> int:
    "Build with smalldocs; returns the number of pages."
    from smalldocs.config import load
    from smalldocs.site import Site

    stage = root / STAGE
    start = time.monotonic()
    count = stage_project(root, stage)
    say(f"site: {count} notebooks filtered ({time.monotonic() - start:.1f} s)")
    site = Site(load(stage), quiet=True, preview=reload)
    pages = site.build()
    if site.warnings:
        raise SiteError("\n".join(site.warnings))
    mend_site(stage / "_site")
    say(f"site: {pages} pages rendered ({time.monotonic() - start:.1f} s)")
    replace_folder(stage / "_site", out)
    return pages


def with_filter_on_path() -> dict[str, str]:
    "The environment for Quarto, which looks for the notebook filter on PATH."
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def build_quarto(root: Path, out: Path, program: str, say: Callable[[str], None]) -> int:
    "Build with Quarto; returns the number of pages."
    say("site: rendering with Quarto")
    if subprocess.run([program, "render", str(root)], cwd=root, env=with_filter_on_path()).returncode:
        raise SiteError("quarto render failed")
    if out.resolve() != (root / "_site").resolve():
        replace_folder(root / "_site", out)
    return sum(1 for _ in out.rglob("*.html")) - 1


def build(
    root: Path,  # The project
    out: Path,  # Where the site goes
    plain: bool = False,  # Use smalldocs even where Quarto is installed
    say: Callable[[str], None] = print,  # Where progress goes
) -> int:  # The number of pages
    "Build the site and check its links."
    quarto = None if plain else shutil.which("quarto")
    pages = build_quarto(root, out, quarto, say) if quarto else build_plain(root, out, say)
    problems = links.check_site(out)
    if problems:
        raise SiteError("broken links:\n" + "\n".join(str(p) for p in problems))
    return pages


# ---------------------------------------------------------------- preview


def stamps(root: Path) -> dict[str, float]:
    "When each source of the site last changed."
    found: dict[str, float] = {}
    for name in WATCHED:
        top = root / name
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file() and ".ipynb_checkpoints" not in path.parts:
                found[str(path)] = path.stat().st_mtime
    return found


def preview(root: Path, out: Path, port: int) -> None:
    "Serve the site on this machine only, and build it again whenever a source changes."
    from smalldocs.serve import Handler

    handler = functools.partial(Handler, directory=str(out))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as problem:
        raise SiteError(f"port {port} is taken: give another with --port") from problem
    build_plain(root, out, print, reload=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"site: http://127.0.0.1:{server.server_port}/nbs/index.html (Ctrl-C stops)", flush=True)
    seen = stamps(root)
    try:
        while True:
            time.sleep(0.7)
            now = stamps(root)
            if now != seen:
                seen = now
                try:
                    build_plain(root, out, print, reload=True)
                    Handler.version += 1
                except SiteError as problem:
                    print(f"site: {problem}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        server.shutdown()


def main(argv: list[str] | None = None) -> int:
    "The command line; returns the exit code."
    parser = argparse.ArgumentParser(prog="python -m alphatwin_book.site", description="Build the site.")
    parser.add_argument("--out", default="_site", help="the folder for the site (default _site)")
    parser.add_argument("--plain", action="store_true", help="use smalldocs even where Quarto is installed")
    parser.add_argument("--preview", action="store_true", help="serve it here and rebuild on change")
    parser.add_argument("--port", type=int, default=4200, help="the port of --preview (default 4200)")
    args = parser.parse_args(argv)
    root = find_root(Path.cwd())
    out = (root / args.out).resolve()
    start = time.monotonic()
    try:
        if args.preview:
            quarto = None if args.plain else shutil.which("quarto")
            if quarto:
                where = ["--host", "127.0.0.1", "--port", str(args.port), "--no-browser"]
                return subprocess.run(
                    [quarto, "preview", *where], cwd=root, env=with_filter_on_path()
                ).returncode
            preview(root, out, args.port)
            return 0
        pages = build(root, out, args.plain, functools.partial(print, flush=True))
    except SiteError as problem:
        print(f"site: {problem}", file=sys.stderr)
        return 1
    shown = out.relative_to(root) if out.is_relative_to(root) else out
    print(f"site: {pages} pages in {time.monotonic() - start:.1f} s: {shown / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
