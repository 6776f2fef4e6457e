"""The frame of all pages: text stays text, scripts of others do not run, nothing is asked for."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from analysis.publish.pages import Page, page_html, visible, write_page
from pipeline.errors import StoreError
from tests.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = [
    "</script><script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 1'>",
    "{{ 7 * 7 }} {% raw %} ${7 * 7}",
    "\u2028 <!-- <script> ]]> --> & &lt; \"quoted\" 'single'",
    '=HYPERLINK("http://a.b", "c")',
    "a \x1b[31mred\x1b[0m cat \x00 \x07",
    "left \u202eright\u2066 left",
    "a very long word " * 600,
    "一只红色的猫 👩‍🚀 قطة حمراء",
]
TEMPLATE = """{% extends "base.html.j2" %}
{% block main %}
<h1>Texts</h1>
<ul id="text">{% for text in texts %}<li>{{ text|visible }}</li>{% endfor %}</ul>
<ul id="data"></ul>
{% endblock %}"""
SCRIPT = """
document.getElementById("data").append(
  ...page.data("texts").map((text) => page.element("li", { title: text }, text)));
page.key("x", "a key", () => { document.title = "pressed"; });
"""


@pytest.fixture
def hostile(tmp_path: Path) -> Page:
    (tmp_path / "texts.html.j2").write_text(TEMPLATE)
    (tmp_path / "texts.js").write_text(SCRIPT)
    return Page(
        tmp_path / "texts.html.j2",
        title="</title><script>window.broken = 1</script>",
        context={"texts": HOSTILE},
        data={"texts": HOSTILE, "number": float("nan")},
        scripts=[tmp_path / "texts.js"],
    )


def test_text_stays_text_and_the_page_asks_for_nothing(
    hostile: Page, tmp_path: Path, browser: "Browser"
) -> None:
    write_page(tmp_path / "page.html", hostile)
    seen = opened(browser, tmp_path / "page.html")
    assert seen.page.evaluate("() => window.broken") is None
    for text, (item, data) in zip(
        HOSTILE,
        seen.page.evaluate(
            """() => { const of = (id) => [...document.querySelectorAll(`#${id} li`)];
            return of("text").map((item, i) => [item.textContent, of("data")[i].textContent]); }"""
        ),
        strict=True,
    ):
        assert (item, data) == (visible(text), text)
    assert (seen.messages, seen.requests) == ([], [])
    assert seen.page.evaluate("() => page.data('number')") is None
    assert seen.serious() == []


def test_the_policy_refuses_a_script_that_is_not_of_the_page(
    hostile: Page, tmp_path: Path, browser: "Browser"
) -> None:
    """The negative control: without escaping, the policy alone stops the script."""
    text = page_html(hostile).replace("<h1>", "<script>window.broken = 1</script><h1>")
    (tmp_path / "page.html").write_text(text)
    seen = opened(browser, tmp_path / "page.html")
    assert seen.page.evaluate("() => window.broken") is None
    assert "Content Security Policy" in seen.messages[0]


def test_an_image_beside_the_page_is_shown_and_one_from_elsewhere_refused(
    hostile: Page, tmp_path: Path, browser: "Browser"
) -> None:
    Image.new("RGB", (7, 5)).save(tmp_path / "beside.png")
    shown = '<img id="a" alt="" src="beside.png"><img alt="" src="https://a.invalid/b.png"><h1>'
    (tmp_path / "page.html").write_text(page_html(hostile).replace("<h1>", shown))
    seen = opened(browser, tmp_path / "page.html")
    assert seen.page.evaluate("() => document.getElementById('a').naturalWidth") == 7
    assert any("Content Security Policy" in message for message in seen.messages)


def test_keys_help_and_theme(hostile: Page, tmp_path: Path, browser: "Browser") -> None:
    write_page(tmp_path / "page.html", hostile)
    page = opened(browser, tmp_path / "page.html").page
    page.keyboard.press("x")
    assert page.title() == "pressed"
    page.keyboard.press("?")
    assert page.locator("#keys-dialog").inner_text().split() == [
        *("Keyboard", "?", "show", "this", "help", "x", "a", "key", "Close"),
    ]
    page.keyboard.press("Escape")
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("#theme-button")
    assert page.evaluate(paper) != light


def test_equal_pages_are_equal_bytes_and_a_failure_is_said(hostile: Page, tmp_path: Path) -> None:
    assert page_html(hostile) == page_html(hostile)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        write_page(tmp_path / "file" / "page.html", hostile)
