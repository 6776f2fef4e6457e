"""The site builds without a warning, its links lead somewhere, and it loads nothing remote."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.reading import DOCS, ROOT

LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?([^\"' >]+)")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does."""
    words = ["build", "--strict", "--config-file", str(config), "--site-dir", str(site)]
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def pages(nav: list[object]) -> list[str]:
    """The files that the navigation names."""
    found = []
    for entry in nav:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += pages(value) if isinstance(value, list) else [str(value)]
    return found


def test_each_page_of_the_navigation_is_built(site: Path) -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    names = pages(nav)
    assert len(names) == len(set(names)) >= 15
    for name in names:
        made = name.replace("README.md", "index.md").removesuffix(".md") + ".html"
        text = (site / made).read_text(encoding="utf-8")
        assert "<h1" in text, name
        assert "::: " not in text


def test_nothing_is_loaded_from_another_server(site: Path) -> None:
    for path in site.rglob("*.html"):
        for target in LOADED.findall(path.read_text(encoding="utf-8")):
            assert not re.match(r"(https?:)?//", target), f"{path.name} loads {target}"
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", text), path.name


def test_a_remote_script_would_be_noticed() -> None:
    """The negative control of the test above."""
    assert LOADED.findall('<script async src="https://unpkg.com/x.js"></script>') == [
        "https://unpkg.com/x.js"
    ]


@pytest.mark.parametrize("name", ["nowhere.md", "recipes.md#no-such-heading"])
def test_a_broken_link_fails_the_build(name: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    config = yaml.safe_load((tmp_path / "mkdocs.yml").read_text(encoding="utf-8"))
    config["nav"] = ["index.md", "recipes.md"]
    config["plugins"] = []
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "recipes.md").write_text("# Recipes\n", encoding="utf-8")
    (tmp_path / "docs" / "index.md").write_text(f"# Start\n\n[x]({name})\n", encoding="utf-8")
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0
    assert name.partition("#")[0] in done.stderr


@pytest.mark.parametrize(
    "path",
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md",
     ROOT / "seedling" / "README.md", ROOT / "prompts" / "README.md"],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)  # fmt: skip
def test_links_outside_the_site_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if not re.match(r"https?://", target):
            assert leads(path, target), f"{path.name} links to {target}"


def test_a_broken_link_outside_the_site_would_be_noticed() -> None:
    """The negative control of the test above."""
    assert leads(ROOT / "README.md", "docs/recipes.md#fields")
    assert not leads(ROOT / "README.md", "docs/nowhere.md")
    assert not leads(ROOT / "README.md", "docs/recipes.md#no-such-heading")


def leads(page: Path, target: str) -> bool:
    """Whether a link of a page leads to a file, and to a heading where it names one."""
    name, _, anchor = target.partition("#")
    path = page.parent / name if name else page
    if not path.exists():
        return False
    return not anchor or anchor in headings(path)


def headings(path: Path) -> set[str]:
    """The anchors of a page's headings, as Python-Markdown and GitHub both make them."""
    found = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower()) for text in found}


def test_pages_say_first_what_they_are_for() -> None:
    for path in DOCS.rglob("*.md"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# "), path.name
        assert lines[2][0].isalpha(), f"{path.name} begins with no sentence"
