"""Check a built site: `python -m alphatwin_book.links [_site]`.

Every internal link, anchor and picture must exist, and no page may load anything from outside the site.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, by tag and attribute. A link in the text is only followed when it is clicked.
LOADED = {
    ("script", "src"), ("link", "href"), ("img", "src"), ("img", "srcset"), ("source", "src"), ("source", "srcset"),
    ("video", "src"), ("video", "poster"), ("audio", "src"), ("iframe", "src"), ("embed", "src"), ("object", "data"),
    ("image", "href"), ("image", "xlink:href"), ("use", "href"), ("use", "xlink:href"), ("track", "src"),
}  # fmt: skip
PASSIVE_RELS = {"canonical", "alternate", "prev", "next", "author", "license", "me"}
CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)['\"]?\s*\)|@import\s+['\"]([^'\"]+)['\"]")


@dataclass(frozen=True)
class Problem:
    "One thing wrong with one page."

    page: str  # Below the site
    link: str  # As written
    what: str

    def __str__(self) -> str:
        return f"{self.page}: {self.link}: {self.what}"


@dataclass
class Page(HTMLParser):
    "What a page links to, what it loads and which anchors it has."

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    styles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.in_style = tag == "style"
        self.anchors.update(given[name] for name in ("id", "name") if given.get(name))
        if "style" in given:
            self.styles.append(given["style"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        passive = tag == "link" and set(given.get("rel", "").split()) & PASSIVE_RELS
        for name, value in given.items():
            if (tag, name) in LOADED and value and not passive:
                parts = value.split(",") if name == "srcset" else [value]
                self.loads += [part.split()[0] for part in parts if part.strip()]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.in_style = False

    def handle_endtag(self, tag: str) -> None:
        self.in_style = False

    def handle_data(self, data: str) -> None:
        if self.in_style:
            self.styles.append(data)


def read_page(text: str) -> Page:
    "Parse one page."
    page = Page()
    page.feed(text)
    page.close()
    return page


def css_loads(text: str) -> list[str]:
    "What a stylesheet fetches."
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return [one or two for one, two in CSS_URL.findall(text)]


def is_outside(link: str) -> bool:
    "A link with a host, in any scheme."
    return link.startswith("//") or bool(re.match(r"[a-zA-Z][\w+.-]*://", link))


def target_of(site: Path, page: Path, link: str) -> tuple[Path | None, str]:
    "The file and the anchor that a link means; no file when it leaves the site."
    parts = urlsplit(link)
    path = unquote(parts.path)
    if not path:
        return page, unquote(parts.fragment)
    target = (site / path.lstrip("/")) if path.startswith("/") else page.parent / path
    target = target.resolve()
    if not target.is_relative_to(site):
        return None, ""
    if target.is_dir():
        target /= "index.html"
    return target, unquote(parts.fragment)


def check_site(
    site: Path,  # The built site
) -> list[Problem]:  # What is wrong, by page
    "Check every link, anchor and resource of a built site."
    site = site.resolve()
    pages = {path: read_page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    if not pages or not (site / "index.html").is_file():
        return [Problem("index.html", str(site), "the site has no index.html")]
    problems: list[Problem] = []

    def missing(owner: Path, link: str) -> Iterator[Problem]:
        name = owner.relative_to(site).as_posix()
        if link.startswith(("data:", "mailto:", "javascript:", "blob:")) or is_outside(link):
            return
        target, anchor = target_of(site, owner, link)
        if target is None:
            yield Problem(name, link, "leads out of the site")
        elif not target.is_file():
            yield Problem(name, link, "no such file")
        elif anchor and target in pages and anchor not in pages[target].anchors and anchor != "top":
            yield Problem(name, link, "no such anchor")

    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        styles = [link for text in page.styles for link in css_loads(text)]
        for link in dict.fromkeys(page.links):
            problems += missing(path, link)
        for link in dict.fromkeys(page.loads + styles):
            if is_outside(link):
                problems.append(Problem(name, link, "loaded from outside the site"))
            elif not link.startswith("#"):
                problems += missing(path, link)
    for sheet in sorted(site.rglob("*.css")):
        for link in dict.fromkeys(css_loads(sheet.read_text(encoding="utf-8"))):
            if is_outside(link):
                problems.append(
                    Problem(sheet.relative_to(site).as_posix(), link, "loaded from outside the site")
                )
            elif not link.startswith("#"):
                problems += missing(sheet, link)
    return problems


def main(argv: list[str] | None = None) -> int:
    "The command line; returns the exit code."
    parser = argparse.ArgumentParser(
        prog="python -m alphatwin_book.links", description="Check the links of a built site."
    )
    parser.add_argument("site", nargs="?", default="_site", help="the built site (default _site)")
    site = Path(parser.parse_args(argv).site)
    if not site.is_dir():
        print(f"links: {site} is not there; build it first: make site", file=sys.stderr)
        return 1
    problems = check_site(site)
    for problem in problems:
        print(problem, file=sys.stderr)
    count = sum(1 for _ in site.rglob("*.html"))
    print(f"links: {count} pages, {len(problems)} broken" if problems else f"links: {count} pages, all whole")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
