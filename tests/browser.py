"""Drive pages in a real browser: Debian's Chromium, without a window."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parent / "axe" / "axe.min.js"


@dataclass
class Opened:
    """A page that is open, and all it said and asked for.

    Attributes:
        page: The page.
        messages: Errors and warnings of the console, and exceptions.
        requests: Addresses that the page asked for, apart from itself.
    """

    page: "Page"
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def serious(self) -> list[str]:
        """What axe calls serious or critical: rule and elements."""
        # The security policy of the page refuses script elements, but not the debugger.
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        # All rules run, but a list of each element that passes would take longer than the rules.
        result: dict[str, Any] = self.page.evaluate(
            "() => axe.run({ resultTypes: ['violations'] })"
        )
        return [
            f"{found['id']}: {[node['html'][:200] for node in found['nodes'][:3]]}"
            for found in result["violations"]
            if found["impact"] in ("serious", "critical")
        ]


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Start the browser; skip the test where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def opened(
    browser: "Browser | BrowserContext",
    path: Path,
    *,
    after: str = "",
    width: int = 1280,
    height: int = 800,
    dark: bool = False,
) -> Opened:
    """Open a file, and note what it says and asks for.

    Args:
        browser: The browser, or a profile of it that remembers.
        path: The file.
        after: What follows the name of the file in the address, for example "#seed=12".
        width: Width of the window in pixels.
        height: Its height.
        dark: Whether the system asks for dark pages.
    """
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if dark else "light")
    seen = Opened(page)
    page.on(
        "console",
        lambda said: said.type in ("error", "warning") and seen.messages.append(said.text),
    )
    page.on("pageerror", lambda error: seen.messages.append(str(error)))
    page.on("request", lambda asked: seen.requests.append(asked.url))
    address = path.resolve().as_uri()
    page.goto(address + after)
    seen.requests.remove(address)
    return seen
