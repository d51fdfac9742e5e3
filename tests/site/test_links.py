"The link check: what it finds, and what it leaves alone."

from pathlib import Path

import pytest

from alphatwin_book import links
from alphatwin_book.links import Problem, check_site


def site_of(folder: Path, **pages: str) -> Path:
    "A site of small pages; `index.html` is there in any case."
    for name, body in {"index": "<p>home</p>", **pages}.items():
        path = folder / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<!doctype html><html><head></head><body>{body}</body></html>")
    return folder


def test_a_whole_site_has_no_problems(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "pic one.png").write_bytes(b"x")
    body = (
        '<a href="../index.html">home</a> <a href="#here">here</a> <h2 id="here">x</h2> <a href="mailto:a@b">m</a>'
        '<a href="https://example.org/">out</a> <img src="pic%20one.png"> <img src="data:image/png;base64,AA">'
        '<svg><path marker-end="url(#x)"/><style>.a{fill:url(#g)}</style></svg>'
    )
    assert check_site(site_of(tmp_path, **{"a/b": body, "c": '<a href="a/b.html#here">b</a>'})) == []


@pytest.mark.parametrize(
    ("body", "link", "what"),
    [
        ('<a href="gone.html">x</a>', "gone.html", "no such file"),
        ('<a href="index.html#gone">x</a>', "index.html#gone", "no such anchor"),
        ('<a href="#gone">x</a>', "#gone", "no such anchor"),
        ('<a href="../../etc/passwd">x</a>', "../../etc/passwd", "leads out of the site"),
        ('<img src="gone.png">', "gone.png", "no such file"),
        ('<img srcset="gone.png 2x">', "gone.png", "no such file"),
        (
            '<script src="https://cdn.example/x.js"></script>',
            "https://cdn.example/x.js",
            "loaded from outside the site",
        ),
        (
            '<link rel="stylesheet" href="//cdn.example/x.css">',
            "//cdn.example/x.css",
            "loaded from outside the site",
        ),
        (
            '<img src="https://badge.example/x.svg">',
            "https://badge.example/x.svg",
            "loaded from outside the site",
        ),
        (
            '<p style="background:url(http://a.example/b)">',
            "http://a.example/b",
            "loaded from outside the site",
        ),
        (
            "<style>@import 'https://f.example/f.css';</style>",
            "https://f.example/f.css",
            "loaded from outside the site",
        ),
    ],
)
def test_each_fault_is_named_with_its_page(tmp_path: Path, body: str, link: str, what: str) -> None:
    site = site_of(tmp_path, **{"deep/page": body, "deep/index": ""})
    assert check_site(site) == [Problem("deep/page.html", link, what)]


def test_fonts_of_a_stylesheet_are_checked(tmp_path: Path) -> None:
    site_of(tmp_path)
    (tmp_path / "x.css").write_text(
        "@font-face { src: url(https://fonts.example/a.woff2), url('b.woff2') } /* url(c) */"
    )
    assert [(p.link, p.what) for p in check_site(tmp_path)] == [
        ("https://fonts.example/a.woff2", "loaded from outside the site"),
        ("b.woff2", "no such file"),
    ]


def test_an_empty_folder_is_not_a_site(tmp_path: Path) -> None:
    assert check_site(tmp_path)[0].what == "the site has no index.html"


def test_command_reports_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site_of(tmp_path, page='<a href="gone.html">x</a>')
    assert links.main([str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "page.html: gone.html: no such file" in said.err and "1 broken" in said.out
    (tmp_path / "gone.html").write_text("<p>there</p>")
    assert links.main([str(tmp_path)]) == 0
    assert links.main([str(tmp_path / "nowhere")]) == 1


@pytest.mark.slow
def test_the_built_site_is_whole(site: Path) -> None:
    assert [str(p) for p in check_site(site)] == []
