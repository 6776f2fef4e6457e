"""The grid's page, driven in a browser: it shows the right cells in any order, and text as text."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from analysis.cells.cells import read_cells
from analysis.per_seed import read_per_seed
from analysis.publish.grid import write_grid
from analysis.publish.pages import visible
from analysis.ranking.rank import read_ranking
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.publish.report import planted
from tests.browser import Opened, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SETTLED = "() => view.settled()"


@pytest.fixture(scope="module")
def run(ranked_run: Run) -> Run:
    return ranked_run


@pytest.fixture(scope="module")
def page(run: Run) -> Path:
    return write_grid(run)


@pytest.fixture
def seen(page: Path, browser: "Browser") -> Iterator[Opened]:
    grid = opened(browser, page)
    grid.page.wait_for_function(SETTLED)
    yield grid
    assert grid.messages == []
    assert all(address.startswith(page.parent.as_uri()) for address in grid.requests)
    assert grid.page.evaluate("() => window.broken") is None
    grid.page.close()


def columns(grid: Opened) -> list[int]:
    found: list[int] = grid.page.evaluate("view.shown.columns.map((s) => orders.seeds[s])")
    return found


def rows(grid: Opened) -> list[str]:
    found: list[str] = grid.page.evaluate("view.shown.rows.map((p) => orders.prompts[p].id)")
    return found


def centre(grid: Opened, seed: int, prompt: str) -> tuple[float, float]:
    """Where a cell is in the window, computed from what the page says of its camera."""
    box = grid.page.locator("canvas#grid").bounding_box()
    assert box
    camera: dict[str, float] = grid.page.evaluate("view.camera")
    column, row = columns(grid).index(seed), rows(grid).index(prompt)
    edge: list[float] = grid.page.evaluate("[view.left(), view.top()]")
    x = box["x"] + edge[0] + (column + 0.5 - camera["x"]) * camera["size"]
    y = box["y"] + edge[1] + (row + 0.5 - camera["y"]) * camera["size"]
    return x, y


def test_it_is_quiet_accessible_and_fits_its_window(page: Path, browser: "Browser") -> None:
    for width, height in ((1440, 900), (820, 700), (390, 780)):
        grid = opened(browser, page, width=width, height=height, dark=width == 820)
        grid.page.wait_for_function(SETTLED)
        grid.page.mouse.click(*centre(grid, 3, rows(grid)[2]))
        assert grid.page.locator("#details").is_visible()
        assert grid.serious() == []
        scrolled = grid.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert scrolled[0] <= width
        assert scrolled[1] <= height
        assert grid.messages == []
        grid.page.close()


def test_orders_are_those_of_the_table(seen: Opened, run: Run) -> None:
    assert columns(seen) == sorted(run.seeds)
    table = read_per_seed(run).filter(metric="brightness", prompt_set=2)
    value = dict(zip(table["seed"], table["value"], strict=True))
    seen.page.select_option("#seeds-by", "brightness:2")
    assert columns(seen) == sorted(run.seeds, key=lambda seed: -value[seed])
    seen.page.click("#seeds-turn")
    assert columns(seen) == sorted(run.seeds, key=lambda seed: value[seed])
    seen.page.select_option("#prompts-by", "mean:brightness")
    cells = read_cells(run, ["appearance.brightness"], sets=[1, 2, 3])
    means = cells.columns["appearance.brightness"].mean(axis=0)
    mean = {prompt.id: means[i] for i, prompt in enumerate(cells.prompts)}
    assert [mean[prompt] for prompt in rows(seen)] == pytest.approx(
        sorted(means, reverse=True), abs=1e-4
    )


def test_the_picture_is_that_of_the_cell_in_any_order(
    seen: Opened, run: Run, tmp_path: Path
) -> None:
    ids = list(run.prompts)
    for seeds_by, prompts_by in (("number", "run"), ("brightness:1", "mean:contrast")):
        seen.page.select_option("#seeds-by", seeds_by)
        seen.page.select_option("#prompts-by", prompts_by)
        seen.page.click("#fit")
        seen.page.wait_for_function(SETTLED)
        shot = np.asarray(Image.open(io.BytesIO(seen.page.screenshot())))
        for seed, prompt in ((0, ids[0]), (7, ids[20]), (15, ids[-1])):
            x, y = centre(seen, seed, prompt)
            drawn = planted.brighter(run.prompts[prompt], seed).mean(axis=(0, 1))
            found = shot[round(y) - 3 : round(y) + 3, round(x) - 3 : round(x) + 3, :3]
            assert np.abs(found.mean(axis=(0, 1)) - drawn).max() < 8, (seed, prompt)


def test_a_click_opens_the_cell_with_its_measures(seen: Opened, run: Run) -> None:
    prompt = list(run.prompts.values())[4]
    seen.page.mouse.click(*centre(seen, 6, prompt.id))
    said = seen.page.locator("#details").inner_text()
    assert "Seed 6" in said
    assert prompt.text in said
    cells = read_cells(run, ["appearance.brightness"], sets=[1, 2, 3])
    at = [other.id for other in cells.prompts].index(prompt.id)
    values = cells.columns["appearance.brightness"][:, at]
    row = seen.page.locator("#details tr", has_text="brightness").first.inner_text()
    assert float(row.split()[1]) == pytest.approx(float(values[6]), abs=1e-4)
    assert f"rank {1 + int((values > values[6]).sum())} of 16" in row


def test_filters_and_pins(seen: Opened, run: Run) -> None:
    golden = read_ranking(run).golden.seeds
    assert golden
    seen.page.select_option("#lists", "golden")
    assert columns(seen) == sorted(golden)
    seen.page.select_option("#lists", "")
    seen.page.select_option("#group", "kind 3")
    assert {run.prompts[prompt].group for prompt in rows(seen)} == {"kind 3"}
    seen.page.select_option("#group", "")
    seen.page.fill("#words", "thing 5")
    assert rows(seen) == [
        key for key, p in run.prompts.items() if "thing" in p.text and "5" in p.text
    ]
    seen.page.fill("#words", "nothing has these words")
    assert seen.page.locator("#empty").is_visible()
    seen.page.click("#clear")
    assert len(rows(seen)) == len(run.prompts)
    first = rows(seen)[0]
    seen.page.mouse.click(*centre(seen, 9, first))
    seen.page.keyboard.press("s")
    seen.page.keyboard.press("p")
    assert seen.page.evaluate("view.shown.pinColumns.map((s) => orders.seeds[s])") == [9]
    assert seen.page.evaluate("view.shown.pinRows.map((p) => orders.prompts[p].id)") == [first]
    seen.page.wait_for_function(SETTLED)
    seen.page.keyboard.press("s")
    assert seen.page.evaluate("view.shown.pinColumns") == []


def test_orders_by_one_row_and_by_one_column(seen: Opened, run: Run) -> None:
    prompt = list(run.prompts)[3]
    seen.page.mouse.click(*centre(seen, 2, prompt))
    row = seen.page.locator("#details tr", has_text="brightness").first
    row.get_by_role("button", name="seeds").click()
    cells = read_cells(run, ["appearance.brightness"], sets=[1, 2, 3])
    at = [other.id for other in cells.prompts].index(prompt)
    values = cells.columns["appearance.brightness"][:, at]
    assert [values[seed] for seed in columns(seen)] == pytest.approx(
        sorted(values, reverse=True), abs=1e-4
    )
    assert "brightness of" in seen.page.locator("#seeds-by option:checked").inner_text()


def test_keyboard_walks_zooms_and_opens(seen: Opened) -> None:
    canvas = seen.page.locator("canvas#grid")
    canvas.focus()
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowDown"):
        seen.page.keyboard.press(key)
    said = seen.page.locator("#said").inner_text()
    seed = int(said.split()[1])
    before = seen.page.evaluate("view.camera.size")
    seen.page.keyboard.press("+")
    assert seen.page.evaluate("view.camera.size") > before
    assert seen.page.locator("#details").is_hidden()
    seen.page.keyboard.press("Enter")
    assert f"Seed {seed}" in seen.page.locator("#details").inner_text()
    seen.page.keyboard.press("ArrowRight")
    assert f"Seed {seed + 1}" in seen.page.locator("#details").inner_text()
    seen.page.keyboard.press("Escape")
    assert seen.page.locator("#details").is_hidden()


def test_dragging_and_the_wheel_move_the_picture(seen: Opened) -> None:
    box = seen.page.locator("canvas#grid").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    seen.page.mouse.move(x, y)
    under = "([x, y]) => view.cellAt(x, y)"
    at = [box["width"] / 2, box["height"] / 2]
    before = seen.page.evaluate(under, at)
    for _ in range(4):
        seen.page.mouse.wheel(0, -400)
    seen.page.wait_for_timeout(50)
    assert seen.page.evaluate(under, at) == before  # what is under the pointer stays there
    camera: dict[str, float] = seen.page.evaluate("({...view.camera})")
    seen.page.mouse.down()
    seen.page.mouse.move(x - 60, y - 40, steps=4)
    seen.page.mouse.up()
    after: dict[str, float] = seen.page.evaluate("({...view.camera})")
    assert after["x"] - camera["x"] == pytest.approx(60 / camera["size"], abs=0.1)
    assert after["y"] - camera["y"] == pytest.approx(40 / camera["size"], abs=0.1)
    assert seen.page.locator("#details").is_hidden()  # a drag opens nothing


def test_a_link_shows_the_same_again(page: Path, browser: "Browser", run: Run) -> None:
    first = opened(browser, page)
    first.page.select_option("#seeds-by", "brightness:1")
    first.page.select_option("#group", "kind 2")
    prompt = rows(first)[1]
    first.page.mouse.click(*centre(first, 11, prompt))
    first.page.keyboard.press("s")
    first.page.wait_for_timeout(400)
    link = first.page.evaluate("location.hash")
    shown = "...view.shown.columns, ...view.shown.rows"
    state = f"[view.camera.x, view.camera.y, view.camera.size, {shown}]"
    wanted = first.page.evaluate(state)
    second = opened(browser, page, after=link)
    assert second.page.evaluate(state) == pytest.approx(wanted, abs=0.01)
    assert "Seed 11" in second.page.locator("#details").inner_text()
    for odd in ("#cell=999,none&seeds=no&prompts=x@y&at=a,b,c", "#%E0%A4%A", "#pin=,,p&at=0,0,-5"):
        third = opened(browser, page, after=odd)
        third.page.wait_for_function(SETTLED)
        assert third.messages == []
        assert len(columns(third)) == len(run.seeds)
        third.page.close()
    assert first.messages == second.messages == []
    first.page.close()
    second.page.close()


def test_prompts_are_text_everywhere(seen: Opened, run: Run) -> None:
    for text in planted.HOSTILE:
        prompt = Prompt(text).id
        seen.page.evaluate("(id) => { location.hash = `cell=3,${id}`; }", prompt)
        seen.page.wait_for_timeout(60)
        shown = seen.page.locator("#details p.text").inner_text()
        assert shown.split() == visible(run.prompts[prompt].text).split()
    assert seen.page.locator("#details script, #details img").count() == 0


def test_a_missing_sheet_leaves_a_gap_and_no_hanging_page(
    run: Run, browser: "Browser", tmp_path: Path
) -> None:
    page = write_grid(run, tmp_path / "grid")
    for path in (page.parent / "sheets" / "0").iterdir():
        path.unlink()
    grid = opened(browser, page)
    grid.page.wait_for_function(SETTLED)
    grid.page.keyboard.press("+")
    grid.page.wait_for_function(SETTLED)
    assert grid.page.evaluate("view.settled()")
    assert all("ERR_FILE_NOT_FOUND" in message for message in grid.messages)
    grid.page.close()


def test_a_run_that_is_not_measured_has_a_grid(tmp_path: Path, browser: "Browser") -> None:
    run = synthetic.start(tmp_path / "run", seeds=[4], n_prompts=1)
    synthetic.draw_all(run)
    grid = opened(browser, write_grid(run))
    grid.page.wait_for_function(SETTLED)
    options: list[Any] = grid.page.locator("#seeds-by option").all_inner_texts()
    assert options == ["number"]
    assert json.loads(grid.page.locator("#data-seeds").text_content() or "") == [4]
    grid.page.close()
