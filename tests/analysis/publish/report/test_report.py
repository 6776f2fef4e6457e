"""The report, driven in a browser: it asks for nothing, shows text as text, and answers."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from analysis.cells.cells import read_cells
from analysis.extraction.images import read_images
from analysis.per_seed import read_per_seed
from analysis.publish.pages import visible
from analysis.publish.report import write_report
from analysis.ranking.rank import read_ranking
from benchmarks.report import simulate
from pipeline.errors import RunError
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.publish.report import planted
from tests.browser import Opened, opened
from tests.in_process import exit_code

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VIEWS = (
    *("overview", "seeds", "seed=3", "compare=1,2,3", "prompts", "style", "layout"),
    *("classifier", "text", "brightness", "studies", "study-style", "methods"),
    *("seed=999", "compare=1"),
)
ALIKE = ("seed=999", "compare=1", "study-style", "methods", "text", "classifier", "layout")
"""Views that are made of the same elements as others: axe looks at one of each kind."""


@pytest.fixture(scope="module")
def run(ranked_run: Run) -> Run:
    planted.studied(ranked_run)
    return ranked_run


@pytest.fixture(scope="module")
def page(run: Run) -> Path:
    return write_report(run)


def numbers(seen: Opened) -> list[int]:
    """The seeds of the table, from the top."""
    cells = seen.page.locator("#seeds-table tbody th").all_inner_texts()
    return [int(text.strip("▲▼ ")) for text in cells]


def test_every_view_fits_any_window_without_a_message_and_asks_for_its_own_images_only(
    page: Path, browser: "Browser"
) -> None:
    for dark, views in ((False, VIEWS), (True, ("overview", "seeds", "style", "studies"))):
        seen = opened(browser, page, dark=dark)
        for view in views:
            seen.page.evaluate("view => { location.hash = view; }", view)
            seen.page.wait_for_timeout(30)
            assert seen.page.locator(".view:visible").count() == 1, view
            assert seen.page.locator(".view:visible h1").first.inner_text()
            for width in (820, 390, 1280):
                seen.page.set_viewport_size({"width": width, "height": 800})
                seen.page.wait_for_timeout(30)
                assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, view
            assert view in ALIKE or seen.serious() == [], view
        assert seen.messages == []
        own = page.parent.as_uri()
        assert seen.requests
        assert all(address.startswith(own) for address in seen.requests)
        assert seen.page.evaluate("() => window.broken") is None
        seen.page.close()


def test_hostile_prompts_stay_text(page: Path, browser: "Browser") -> None:
    seen = opened(browser, page, after="#prompts")
    shown = seen.page.evaluate("() => page.data('thumbnails').prompts.map((prompt) => prompt.id)")
    texts = []
    for prompt in shown:
        seen.page.evaluate("id => { location.hash = `prompt=${id}`; }", prompt)
        texts.append(seen.page.locator("#prompt-text").evaluate("node => node.textContent"))
    hostile = {visible(text.strip()) for text in planted.HOSTILE} & set(texts)
    assert len(hostile) >= 2, "set 2 holds some of the hostile prompts"
    assert seen.page.evaluate("() => window.broken") is None
    assert seen.messages == []
    seen.page.close()


def test_the_table_sorts_and_filters(run: Run, page: Path, browser: "Browser") -> None:
    seen = opened(browser, page, after="#seeds")
    frame = read_per_seed(run).filter(metric="brightness", prompt_set=2).sort("value")
    seen.page.get_by_role("button", name="brightness", exact=True).click()
    assert numbers(seen) == frame["seed"].to_list()
    seen.page.get_by_role("button", name="brightness ↑").click()
    assert numbers(seen) == frame["seed"].to_list()[::-1]
    seen.page.fill("#filter-seed", "2, 5-7")
    assert sorted(numbers(seen)) == [2, 5, 6, 7]
    seen.page.fill("#filter-seed", "")
    seen.page.select_option("#filter-list", "golden")
    assert sorted(numbers(seen)) == sorted(read_ranking(run).golden.seeds)
    seen.page.select_option("#filter-list", "")
    seen.page.select_option("#filter-column", "brightness")
    middle = float(frame["value"][8])
    seen.page.fill("#filter-low", str(middle - 1e-4))
    assert sorted(numbers(seen)) == sorted(frame["seed"].to_list()[8:])
    seen.page.close()


def test_deep_links_and_the_way_back(page: Path, browser: "Browser") -> None:
    seen = opened(browser, page, after="#seed=12")
    heading = seen.page.locator(".view:visible h1")
    expect(heading).to_have_text("Seed 12")
    seen.page.evaluate("() => { location.hash = 'compare=3,4'; }")
    expect(heading).to_have_text("Seeds 3, 4")
    seen.page.go_back()
    expect(heading).to_have_text("Seed 12")
    seen.page.evaluate("() => { location.hash = 'seeds?list=bad'; }")
    assert seen.page.locator("#filter-list").input_value() == "bad"
    seen.page.close()


def test_the_keyboard_reaches_every_view(page: Path, browser: "Browser") -> None:
    seen = opened(browser, page)
    press = seen.page.keyboard.press
    rows = seen.page.locator("#seeds-table tbody tr")
    press("2")
    rows.first.wait_for(state="visible")
    first, second = numbers(seen)[:2]
    for key in ("j", "x", "j", "x", "c"):
        press(key)
    heading = seen.page.locator(".view:visible h1")
    expect(heading).to_have_text(f"Seeds {first}, {second}")
    press("2")
    rows.first.wait_for(state="visible")
    press("j")
    press("o")
    expect(heading).to_have_text(f"Seed {numbers(seen)[0]}")
    seen.page.evaluate("() => { location.hash = 'seed=4'; }")
    expect(heading).to_have_text("Seed 4")
    press("n")
    expect(heading).to_have_text("Seed 5")
    press("/")
    seen.page.locator("#filter-seed:focus").wait_for()
    seen.page.keyboard.type("7?")  # keys are letters in a field
    assert not seen.page.locator("#keys-dialog").is_visible()
    seen.page.close()


def test_a_dot_of_the_map_shows_its_seed_and_opens_it(page: Path, browser: "Browser") -> None:
    seen = opened(browser, page, after="#style")
    box = seen.page.locator("#style-body svg circle").first.bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hover = seen.page.locator("#hover")
    hover.wait_for(state="visible")
    seed = hover.locator("strong").inner_text()
    assert hover.locator(".image").count() == 8
    shown = hover.bounding_box()
    assert shown is not None
    assert 0 < shown["x"] - box["x"] < 40, "the images are beside the pointer"
    seen.page.mouse.down()
    seen.page.mouse.up()
    seen.page.locator("#view-seed h1").wait_for(state="visible")
    name = seen.page.locator("#view-seed h1").inner_text()
    assert name.lower() == seed.replace("▲ ", "").replace("▼ ", "")
    assert not hover.is_visible()
    seen.page.close()


def test_a_thumbnail_shows_the_image_of_its_cell(run: Run, page: Path, browser: "Browser") -> None:
    """The mean colour of what the browser paints is that of the pixels in the shard."""
    seen = opened(browser, page, after="#seed=11")
    prompts = seen.page.evaluate("() => page.data('thumbnails').prompts.map((prompt) => prompt.id)")
    images = seen.page.locator("#view-seed .image")
    for number in (0, 3):
        pixels = read_images(run, [(prompts[number], 11)])[prompts[number], 11]
        painted = np.asarray(Image.open(io.BytesIO(images.nth(number).screenshot())).convert("RGB"))
        middle = painted[30:-30, 30:-30].reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(middle, pixels.reshape(-1, 3).mean(axis=0), atol=4)
    seen.page.close()


def test_the_shares_of_the_first_screen_are_those_of_the_cells(
    run: Run, page: Path, browser: "Browser"
) -> None:
    """An oracle of its own: the variance of the seeds' means, of nearly the whole variance."""
    values = (
        read_cells(run, ["appearance.brightness"], sets=(1, 2))
        .sample(["appearance.brightness"])
        .columns["appearance.brightness"]
    )
    share = values.mean(axis=1).var() / values.var()
    seen = opened(browser, page)
    row = seen.page.locator(".shares tbody tr", has_text="brightness")
    assert float(row.locator("strong").inner_text().split()[0]) == pytest.approx(
        100 * share, abs=1.5
    )
    verdict = seen.page.locator("h1").first.inner_text()
    assert verdict.startswith("Seeds decide style and colours. Use the golden list.")
    seen.page.close()


def test_the_same_run_gives_the_same_bytes_and_old_files_go(run: Run, tmp_path: Path) -> None:
    first, second = (write_report(run, tmp_path / name).parent for name in "ab")
    files = {path.relative_to(first): path.read_bytes() for path in first.rglob("*.*")}
    assert len(files) > 10
    assert files == {path.relative_to(second): path.read_bytes() for path in second.rglob("*.*")}
    assert str(run.root).encode() not in b"".join(files.values())
    (first / "images" / "0123.webp").touch()
    (first / "grid").mkdir()
    (first / "grid" / "index.html").touch()
    text = write_report(run, first).read_text()
    assert not (first / "images" / "0123.webp").exists()
    assert 'href="grid/index.html"' in text


def test_a_folder_with_other_files_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match="holds other files"):
        write_report(run, tmp_path)
    with pytest.raises(RunError, match="is a file"):
        write_report(run, tmp_path / "thesis.tex")


@pytest.mark.parametrize(
    ("seeds", "prompts", "drawn"), [(1, 6, "all"), (5, 1, "all"), (4, 8, "half"), (0, 0, "none")]
)
def test_small_and_unfinished_runs_say_what_is_missing(
    tmp_path: Path, browser: "Browser", seeds: int, prompts: int, drawn: str
) -> None:
    run = synthetic.start(tmp_path / "run", seeds=range(seeds), n_prompts=prompts, tile=(4, 4))
    if drawn == "all":
        synthetic.draw_all(run)
    elif drawn == "half":
        tile = run.missing()[0]
        table, _ = synthetic.rows_of(run, tile, synthetic.noisy, keep=True)
        run.images.commit(tile.id, tile.block, table, run_id=run.run_id, provenance={})
    seen = opened(browser, write_report(run))
    text = seen.page.locator("body").inner_text()
    assert ("Unfinished" in text) == (drawn == "half")
    assert "It is not known yet what seeds decide. Measure the run." in text
    assert "to rank its seeds" in text
    assert drawn == "none" or "No image is measured yet by" in text
    for view in ("seeds", "prompts", "style", "text", "studies"):
        seen.page.evaluate("view => { location.hash = view; }", view)
    for view, command in (("style", "goldenseed study style run"), ("text", "goldenseed measure")):
        seen.page.evaluate("view => { location.hash = view; }", view)
        assert command in seen.page.locator(".view:visible").inner_text()
    assert seen.messages == []
    seen.page.close()


def test_an_imported_run_says_that_its_noise_is_unknown(tmp_path: Path) -> None:
    for prompt in ("a red horse", "a blue cup"):
        folder = tmp_path / "images" / prompt
        folder.mkdir(parents=True)
        for seed in (1, 2):
            Image.new("RGB", (64, 64), (seed, 99, len(prompt))).save(folder / f"seed_{seed}.png")
    assert exit_code("import", tmp_path / "images", "--out", tmp_path / "run") == 0
    text = write_report(Run.open(tmp_path / "run")).read_text("utf-8")
    assert "the images were drawn elsewhere, with noise that is unknown" in text
    assert "check values in the release" not in text
    assert "<code>unknown</code></dd>" in text


def test_ten_thousand_seeds_sort_and_filter_at_once(tmp_path: Path, browser: "Browser") -> None:
    """The tables are simulated and no image is drawn, so the report also says it is unfinished."""
    page = write_report(simulate(tmp_path / "run", 10_000, images=False))
    seen = opened(browser, page, after="#seeds")
    for heading in ("metric_3", "metric_3 ↓"):
        seen.page.get_by_role("button", name=heading, exact=True).click()
    assert len(numbers(seen)) == 50
    values = seen.page.locator("#seeds-table tbody tr td:nth-child(9)").all_inner_texts()
    assert [*map(float, values)] == sorted(map(float, values))
    seen.page.fill("#filter-seed", "9990-10050")
    assert sorted(numbers(seen)) == [*range(9990, 10_000)]
    seconds = seen.page.evaluate(
        """() => { const start = performance.now();
        document.querySelectorAll('#seeds-table thead button')[5].click();
        return (performance.now() - start) / 1000; }"""
    )
    assert seconds < 2
    assert seen.messages == []
    seen.page.close()
