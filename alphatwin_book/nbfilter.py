"""Turn a notebook of the house into a notebook for the page.

`alphatwin-nbfilter` reads a notebook on stdin and writes one to stdout; Quarto runs it through `ipynb-filters`
in the notebook's folder, and `alphatwin_book.site` calls `filter_notebook`. Nothing is executed: signatures and
parameter tables are read from the source text, and outputs are the ones saved in the notebook.
"""

import ast
import html
import io
import itertools
import json
import os
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from execnb.nbio import dict2nb, mk_cell
from fastcore.foundation import L
from nbdev.frontmatter import FrontmatterProc
from nbdev.process import NBProcessor, Processor
from nbdev.processors import (
    FilterDefaults,
    clean_magics,
    filter_stream_,
    hide_,
    hide_line,
    populate_language,
    rm_export,
    rm_header_dash,
    strip_ansi,
)

EXPORTS = {"export", "exports", "exporti"}
LONG_CELL = 24  # Lines from which a lesson cell gets a fold, open
LONG_FIGURE = 12  # Lines from which the code of a figure is folded away
PLOT_HANDLE = re.compile(r"<(Axes|Figure|matplotlib\.|seaborn\.)|\[<matplotlib\.|Text\(")
# pandas gives the index's name a heading row of its own; it fits into the empty corner of the row above.
INDEX_NAME = re.compile(
    r'(<tr style="text-align: right;">\s*)<th></th>((?:(?!</tr>).)*</tr>)\s*<tr>\s*<th>([^<]+)</th>(?:\s*<th></th>)+\s*</tr>',
    re.S,
)
PRIVATE_MIME = "application/x-alphatwin"
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def text_of(cell: dict[str, Any]) -> str:
    "A cell's source as one string; notebooks may store a list of lines."
    source = cell.get("source") or ""
    return source if isinstance(source, str) else "".join(source)


def directives(source: str) -> set[str]:
    "The names of the `#|` lines at the top of a code cell."
    return set(re.findall(r"^\s*#\|\s*([\w-]+)", source, re.M))


def default_exp(cells: list[dict[str, Any]]) -> str | None:
    "The module that a notebook exports to, such as `alphatwin.metrics.drawdown`."
    for cell in cells:
        if cell.get("cell_type") == "code":
            found = re.search(r"^\s*#\|\s*default_exp\s+(\S+)", text_of(cell), re.M)
            if found:
                return f"alphatwin.{found.group(1)}".removesuffix(".__init__")
    return None


def definitions(source: str) -> list[Definition]:
    "The functions and classes that a cell defines at its top level."
    return [node for node in ast.parse(source).body if isinstance(node, DEFINITIONS)]


# ---------------------------------------------------------------- where a name is explained


@dataclass(frozen=True)
class Place:
    "The page and the anchor where a name is explained."

    page: str  # The page below the project, such as `nbs/3_metrics/03_drawdown.html`
    anchor: str  # Empty for a whole module


def find_root(
    start: Path,  # A folder inside the project
) -> Path:  # The folder that holds settings.ini
    "Find the project from a folder inside it."
    for folder in [start.resolve(), *start.resolve().parents]:
        if (folder / "settings.ini").is_file():
            return folder
    raise FileNotFoundError(f"no settings.ini in {start} or above it")


def notebooks(
    root: Path,  # The project
) -> list[Path]:  # Its notebooks, in reading order
    "List the notebooks of the book."
    found = (root / "nbs").rglob("*.ipynb")
    return sorted(
        p for p in found if not any(part.startswith((".", "_")) for part in p.relative_to(root).parts)
    )


def build_index(
    root: Path,  # The project
) -> dict[str, Place]:  # From `max_drawdown`, `at.max_drawdown` or a module's name to its place
    "Read from all notebooks where each exported name is explained; a short name that two pages define is left out."
    index: dict[str, Place] = {}
    seen: dict[str, set[str]] = {}
    for path in notebooks(root):
        where = path.relative_to(root)
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (ValueError, KeyError) as problem:
            raise ValueError(f"{where.as_posix()} is not a notebook: {problem!r}") from problem
        module = default_exp(cells)
        if module is None:
            continue
        page = where.with_suffix(".html").as_posix()
        index[module] = Place(page, "")
        for cell in cells:
            source = text_of(cell)
            if cell.get("cell_type") != "code" or not directives(source) & EXPORTS:
                continue
            try:
                nodes = definitions(source)
            except SyntaxError:
                continue
            for node in nodes:
                if not node.name.startswith("_"):
                    index[f"{module}.{node.name}"] = Place(page, node.name)
                    seen.setdefault(node.name, set()).add(page)
    for name, pages in seen.items():
        if len(pages) == 1:
            place = Place(next(iter(pages)), name)
            index[name] = index[f"at.{name}"] = place
    return index


# ---------------------------------------------------------------- the API block, from source text


def comments_by_line(source: str) -> dict[int, str]:
    "The comment that follows code on each line, without its hash."
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = (t for t in tokens if t.type == tokenize.COMMENT and t.line[: t.start[1]].strip())
    return {t.start[0]: t.string.lstrip("# ").rstrip() for t in found}


@dataclass(frozen=True)
class Row:
    "One line of a parameter table."

    name: str
    type: str = ""
    default: str = ""
    meaning: str = ""
    result: bool = False  # The line that says what comes back


def type_text(annotation: ast.expr | None) -> str:
    "An annotation as a reader wants it: a quoted name without its quotes."
    if annotation is None:
        return ""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return ast.unparse(annotation)


def argument_rows(node: ast.FunctionDef | ast.AsyncFunctionDef, comments: dict[int, str]) -> list[Row]:
    "The parameters of a function, then what it returns, with their docments."
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [*[None] * (len(plain) - len(args.defaults)), *args.defaults]
    every = list(zip(plain, defaults, [""] * len(plain), strict=True))
    if args.vararg:
        every.append((args.vararg, None, "*"))
    every += [(arg, default, "") for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    if args.kwarg:
        every.append((args.kwarg, None, "**"))
    rows = [
        Row(
            stars + arg.arg,
            type_text(arg.annotation),
            ast.unparse(default) if default else "",
            comments.get(default.end_lineno if default else arg.end_lineno, "")  # type: ignore[arg-type]
            or comments.get(arg.lineno, ""),
        )
        for arg, default, stars in every
        if arg.arg not in ("self", "cls")
    ]
    if node.returns:
        last = max((arg.end_lineno or 0 for arg in [*plain, *args.kwonlyargs]), default=0)
        first = max(
            last + 1, node.returns.lineno
        )  # a comment on the last parameter's line is the parameter's
        below = range(first, node.body[0].lineno)
        meaning = next((comments[line] for line in below if line in comments), "")
        if meaning or type_text(node.returns) != "None":
            rows.append(Row("→", type_text(node.returns), "", meaning, True))
    return rows


def field_rows(node: ast.ClassDef, comments: dict[int, str]) -> list[Row]:
    "The fields of a dataclass with their comments."
    return [
        Row(
            item.target.id,
            type_text(item.annotation),
            ast.unparse(item.value) if item.value else "",
            comments.get(item.end_lineno or item.lineno, ""),
        )
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and not item.target.id.startswith("_")
    ]


def inline(text: str) -> str:
    "Escape text for HTML and set `code` in it."
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def table(rows: list[Row], heads: list[str]) -> str:
    "A parameter table as HTML, which Quarto and smalldocs pass through alike; a column that is empty is left out."
    if not rows:
        return ""
    columns = ["name", "type", "default", "meaning"]
    shown = [
        (c, head) for c, head in zip(columns, heads, strict=True) if any(getattr(row, c) for row in rows)
    ]
    body = ""
    for row in rows:
        body += "<tr>"
        for column, _ in shown:
            text = getattr(row, column)
            if column == "meaning":
                text = inline(text)
            elif row.result and column == "name":
                text = f'<span title="what comes back">{text}</span>'
            elif text:
                text = f"<code>{html.escape(text)}</code>"
            body += f'<td class="p-{column}">{text}</td>'
        body += "</tr>\n"
    head = "<thead><tr>" + "".join(f"<th>{head}</th>" for _, head in shown) + "</tr></thead>"
    return (
        '```{=html}\n<div class="params-box"><table class="params" data-quarto-disable-processing="true">\n'
        f"{head}\n<tbody>\n{body}</tbody></table></div>\n```\n"
    )


def back_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    "The arrow and what comes back."
    return f" -> {type_text(node.returns)}" if node.returns else ""


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    "The signature on one line, or one parameter a line where that is too long."
    shown = [r for r in argument_rows(node, {}) if not r.result]
    parts: list[str] = []
    keyword_only = {a.arg for a in node.args.kwonlyargs}
    for row in shown:
        if row.name in keyword_only and "*" not in parts and not any(p.startswith("*") for p in parts):
            parts.append("*")
        colon = f": {row.type}" if row.type else ""
        equals = " = " if row.type else "="
        parts.append(row.name + colon + (equals + row.default if row.default else ""))
    line = f"{node.name}({', '.join(parts)}){back_of(node)}"
    if len(line) <= 84:
        return line
    return f"{node.name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){back_of(node)}"


def call_of(method: ast.FunctionDef) -> str:
    "How a method is called: its signature on one line, without the name."
    if is_property(method):
        return "a property" + back_of(method)
    text = re.sub(r",?\n\s*", lambda m: ", " if m.group().startswith(",") else "", signature(method))
    return text.removeprefix(method.name).replace(", )", ")")


def is_property(method: ast.FunctionDef) -> bool:
    "Whether a method is read like a field."
    return any(
        ast.unparse(d).split(".")[-1] in ("property", "cached_property") for d in method.decorator_list
    )


def api_markdown(node: Definition, source: str) -> str:
    "Heading, signature, docstring and parameter table of one exported name."
    comments = comments_by_line(source)
    doc = ast.get_docstring(node) or ""
    if isinstance(node, ast.ClassDef):
        bases = [ast.unparse(b) for b in node.bases]
        shape = f"class {node.name}" + (f"({', '.join(bases)})" if bases else "")
        methods = [m for m in node.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("_")]
        rows = [Row(m.name, call_of(m), "", (ast.get_docstring(m) or "").split("\n")[0]) for m in methods]
        fields = table(field_rows(node, comments), ["Field", "Type", "Default", "Meaning"])
        tables = fields + "\n" + table(rows, ["Method", "Call", "", "Meaning"])
    else:
        shape = signature(node)
        tables = table(argument_rows(node, comments), ["Parameter", "Type", "Default", "Meaning"])
    return f"### {node.name} {{#{node.name} .api-name}}\n\n```python\n{shape}\n```\n\n{doc}\n\n{tables}"


def is_plumbing(node: ast.stmt) -> bool:
    "Imports, `__all__` and an `if TYPE_CHECKING:` of imports: nothing to read on a page."
    if isinstance(node, ast.If):
        return all(is_plumbing(child) for child in [*node.body, *node.orelse])
    if isinstance(node, ast.Assign):
        return all(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    return isinstance(node, (ast.Import, ast.ImportFrom))


def folded(source: str, summary: str, how: str = "true") -> Any:
    "A code cell that shows its source in a fold."
    return mk_cell(f'#| code-fold: {how}\n#| code-summary: "{summary}"\n{source}')


class ApiBlocks(Processor):
    "Replace each exported cell by its API block, with the source folded below it."

    def begin(self) -> None:
        self.nb.cells[:] = [new for cell in self.nb.cells for new in self.shown(cell)]

    def shown(self, cell: Any) -> Iterator[Any]:
        "What the page shows in a cell's place."
        if cell.cell_type != "code" or not cell.directives_.keys() & EXPORTS or "hide" in cell.directives_:
            yield cell
            return
        source = cell.source.strip("\n")
        body = ast.parse(source).body
        nodes = [n for n in body if isinstance(n, DEFINITIONS)]
        public = [n for n in nodes if not n.name.startswith("_") and "exporti" not in cell.directives_]
        new: list[Any] = []
        if all(is_plumbing(n) for n in body):
            return
        if public:
            blocks = "\n".join(api_markdown(n, source) for n in public)
            new = [
                mk_cell(f"::: {{.api}}\n\n{blocks}", "markdown"),
                folded(source, "Source"),
                mk_cell(":::", "markdown"),
            ]
        elif nodes:
            new = [folded(source, f"Source of {', '.join(n.name for n in nodes)}")]
        elif "__getattr__" in source:
            new = [folded(source, "What can be imported from here")]
        else:
            new = [mk_cell(source)]
        for item in new:
            item.directives_ = {}
            yield item


# ---------------------------------------------------------------- narration, diagrams, links, outputs


def tell(
    notebook: dict[str, Any],  # A notebook as stored; its cells tagged `narration` are changed in place
) -> None:
    "Fill the slots of narration with the numbers that the notebook recorded, and mark it off."
    prose = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    told = [cell for cell in prose if "narration" in cell["metadata"].get("tags", [])]
    if not told:
        return
    from alphatwin.content.narration import fill, records_of

    records = records_of(notebook)
    for cell in told:
        lines = fill(cell["source"], records).strip().split("\n")
        heads = list(
            itertools.takewhile(lambda line: re.match(r"#+\s|\s*$", line), lines)
        )  # headings stay outside
        spoken = "\n".join(lines[len(heads) :])
        cell["source"] = "\n".join(heads) + (f"\n\n::: {{.narration}}\n\n{spoken}\n\n:::" if spoken else "")


def split_title(cells: list[dict[str, Any]]) -> None:
    "Leave in the title cell what makes the front matter, of which nbdev would drop the rest; fetch its `>` line."
    place = next(
        (n for n, c in enumerate(cells) if c["cell_type"] == "markdown" and c["source"].startswith("# ")),
        None,
    )
    if place is None:
        return
    lines = cells[place]["source"].split("\n")
    front = list(itertools.takewhile(lambda line: re.match(r"$|#\s|>|- [\w-]+:", line), lines))
    rest = "\n".join(lines[len(front) :])
    if not any(line.startswith(">") for line in front):
        for later in cells[place + 1 : place + 4]:
            said, _, after = later["source"].partition("\n")
            if later["cell_type"] == "markdown" and said.startswith("> "):
                front += ["", said]
                later["source"] = after.strip("\n")
                break
    cells[place]["source"] = "\n".join(front)
    if rest:
        cells.insert(place + 1, {"cell_type": "markdown", "metadata": {}, "source": rest})


def outside_fences(text: str) -> Iterator[tuple[bool, str]]:
    "The lines of a Markdown text, each with whether it is prose (and not inside a code fence or a heading)."
    fence = ""
    for line in text.split("\n"):
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if fence:
            yield False, line
            if mark and mark.group(1).startswith(fence) and line.strip() == mark.group(1):
                fence = ""
        elif mark:
            fence = mark.group(1)
            yield False, line
        else:
            yield not line.startswith(("#", "    ", ":::")), line


def mermaid_fences(cell: Any) -> None:
    "Write JupyterLab's diagram fence the way Quarto reads it."
    if cell.cell_type == "markdown":
        cell.source = re.sub(r"^(\s*`{3,})mermaid[ \t]*$", r"\1{mermaid}", cell.source, flags=re.M)


CODE_WORD = re.compile(r"(\[[^\]\n]*\]\([^)\n]*\))|(?<!`)`([A-Za-z_][\w.]*)(\(\))?`(?!`)")


def link_names(text: str, index: dict[str, Place], page: str | None, folder: str, done: set[str]) -> str:
    "Link the first mention of each exported name to the page that explains it."

    def link(found: re.Match[str]) -> str:
        name = found.group(2)
        owner = (
            name.split(".")[0] if name and name[0].isupper() else name
        )  # `Result.plot` stands with `Result`
        place = index.get(owner) if owner else None
        if place is None or place.page == page or name in done or name == "alphatwin":
            return found.group(0)
        done.add(name)
        target = os.path.relpath(place.page, folder or ".").replace(os.sep, "/")
        return f"[{found.group(0)}]({target}{'#' + place.anchor if place.anchor else ''})"

    return "\n".join(CODE_WORD.sub(link, line) if prose else line for prose, line in outside_fences(text))


def clean_output(output: dict[str, Any]) -> dict[str, Any] | None:
    "An output as the page shows it; None for the house's own records and for the repr of a plot's handle."
    data = output.get("data")
    if data is None:
        return output
    if any(str(mime).startswith(PRIVATE_MIME) for mime in data):
        return None
    if set(data) == {"text/plain"} and PLOT_HANDLE.match("".join(data["text/plain"])):
        return None
    if "text/html" in data:  # pandas repeats its style in every table
        markup = re.sub(r"<style scoped>.*?</style>\s*", "", "".join(data["text/html"]), flags=re.S)
        markup = INDEX_NAME.sub(r"\1<th>\3</th>\2", markup)
        data["text/html"] = markup.replace('<table border="1" class=', "<table class=")
    return output


def clean_outputs(cell: Any) -> None:
    "Keep of a cell's outputs what a reader should see."
    if cell.cell_type == "code":
        cell.outputs = [kept for kept in map(clean_output, cell.get("outputs", [])) if kept is not None]


def fold_long(cell: Any) -> None:
    "Give cells a fold: closed where code draws a figure or names numbers for the narrator, open where it is long."
    if cell.cell_type != "code" or re.search(r"^#\|\s*(code-fold|echo)\s*:", cell.source, re.M):
        return
    code = [line for line in cell.source.splitlines() if line.strip() and not line.startswith("#|")]
    if code and sum("at.record(" in line for line in code) >= 0.7 * len(code):
        cell.source = '#| code-fold: true\n#| code-summary: "Numbers for the narrator"\n' + cell.source
        return
    drawn = any(str(m).startswith("image/") for o in cell.get("outputs", []) for m in o.get("data", {}))
    if drawn and len(code) >= LONG_FIGURE:
        cell.source = '#| code-fold: true\n#| code-summary: "Code of the figure"\n' + cell.source
    elif len(code) >= LONG_CELL:
        cell.source = '#| code-fold: show\n#| code-summary: "Code"\n' + cell.source


class Filter(FilterDefaults):
    "nbdev's page filter with the house's own API blocks, which need no execution, and without links to a host."

    def base_procs(self) -> list[Any]:
        return [
            FrontmatterProc,
            populate_language,
            ApiBlocks,
            strip_ansi,
            hide_line,
            filter_stream_,
            rm_header_dash,
            rm_export,
            clean_magics,
            hide_,
            mermaid_fences,
            clean_outputs,
            fold_long,
        ]

    def procs(self) -> L:
        return L(self.base_procs())


def filter_notebook(
    notebook: dict[str, Any],  # A notebook as stored
    index: dict[str, Place],  # From `build_index`
    folder: str,  # The notebook's folder below the project, such as `nbs/3_metrics`
) -> dict[str, Any]:  # The notebook for the page
    "Turn a notebook into what its page shows."
    module = default_exp(notebook["cells"])
    own = index[module].page if module in index else None
    for cell in notebook["cells"]:
        cell["source"] = text_of(cell)
    tell(notebook)
    split_title(notebook["cells"])
    nb = dict2nb(notebook)
    nb.path_ = "page.ipynb"  # nbdev asks for a path; it only decides the `output-file` that is dropped below
    processor: NBProcessor = Filter().nb_proc(nb)
    processor.process()
    done: set[str] = set()
    cells = []
    for number, cell in enumerate(nb.cells):
        kind, source = cell["cell_type"], cell["source"]
        if kind == "raw" and source.startswith("---"):
            source = re.sub(r"^output-file:.*\n", "", source, flags=re.M)
        elif kind == "markdown":
            source = link_names(source, index, own, folder, done)
        clean: dict[str, Any] = {"cell_type": kind, "id": f"page-{number}", "metadata": {}, "source": source}
        tags = list(cell.get("metadata", {}).get("tags", []))
        if tags:
            clean["metadata"] = {"tags": tags}
        if kind == "code":
            clean |= {"execution_count": None, "outputs": json.loads(json.dumps(cell.get("outputs", [])))}
        elif cell.get("attachments"):
            clean["attachments"] = json.loads(json.dumps(cell["attachments"]))
        cells.append(clean)
    metadata = json.loads(json.dumps(notebook.get("metadata", {})))
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def main() -> None:
    "Filter the notebook on stdin; the working folder is the notebook's, as Quarto runs filters."
    here = Path.cwd()
    root = find_root(here)
    notebook = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    page = filter_notebook(notebook, build_index(root), here.relative_to(root).as_posix())
    sys.stdout.buffer.write(json.dumps(page, ensure_ascii=False).encode("utf-8"))


if __name__ == "__main__":
    main()
