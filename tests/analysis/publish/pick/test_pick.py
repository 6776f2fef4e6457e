"""The pick page keeps the best images, hides seeds, and exports what a recipe takes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from PIL import Image

from analysis.extraction.images import read_images
from analysis.publish.pages import visible
from analysis.publish.pick import write, write_pick
from pipeline.errors import ConfigError, RunError
from pipeline.runs.run import Run
from pipeline.settings.choices import SeedChoice
from tests.analysis import synthetic
from tests.analysis.publish.report import planted
from tests.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = synthetic.start(
        tmp_path_factory.mktemp("pick") / "run", seeds=range(8), n_prompts=2, tile=(4, 8)
    )
    made.grow(range(8), [planted.Prompt(text, group="hostile") for text in planted.HOSTILE])
    synthetic.draw_all(made)
    return made


def test_picking_counts_seeds_and_exports_them(
    run: Run, browser: "Browser", tmp_path: Path
) -> None:
    made = write_pick(run, tmp_path / "pick", prompts=4, images=5)
    assert (made.prompts, made.seeds) == (4, 5)
    context = browser.new_context()
    seen = opened(context, made.page)
    prompts = json.loads(seen.page.locator("#data-prompts").text_content() or "")
    assert all(sorted(prompt["seeds"]) == sorted(prompts[0]["seeds"]) for prompt in prompts)
    assert len({tuple(prompt["seeds"]) for prompt in prompts}) > 1
    images = read_images(run, [(p["id"], seed) for p in prompts for seed in p["seeds"]])
    for p, prompt in enumerate(prompts):
        for i, seed in enumerate(prompt["seeds"]):
            with Image.open(made.page.parent / "images" / f"{p}-{i}.webp") as image:
                shown = np.asarray(image.convert("RGB")).mean(axis=(0, 1))
            assert np.abs(shown - images[prompt["id"], seed].mean(axis=(0, 1))).max() < 8
    often, once = prompts[0]["seeds"][0], prompts[0]["seeds"][1]
    for prompt in prompts[:2]:
        seen.page.locator("#images button").nth(prompt["seeds"].index(often)).click()
        seen.page.keyboard.press("ArrowRight")
    seen.page.keyboard.press("ArrowLeft")
    seen.page.keyboard.press("ArrowLeft")
    seen.page.locator("#images button").nth(1).click()
    assert seen.serious() == []
    rows = seen.page.locator("#seeds tr").all_inner_texts()
    assert [row.split() for row in rows] == [[str(often), "2", "4"], [str(once), "1", "4"]]
    seen.page.close()
    seen = opened(context, made.page)  # the browser remembers
    seen.page.select_option("#least", "2")
    recipe = yaml.safe_load(seen.page.locator("#recipe").inner_text())
    assert SeedChoice(**recipe["seeds"]).values() == [often]
    with seen.page.expect_download() as download:
        seen.page.click("#save")
    download.value.save_as(tmp_path / "picks.json")
    saved = json.loads((tmp_path / "picks.json").read_text("utf-8"))
    assert saved["run_id"] == run.run_id
    assert saved["seeds"][0] == {"seed": often, "kept": 2, "of": 4}
    assert len(saved["picks"]) == 3
    seen.page.click("#clear")
    assert seen.page.locator("#result").is_hidden()
    assert seen.messages == []
    context.close()


def test_it_fits_any_window_and_prompts_are_text(
    run: Run, browser: "Browser", tmp_path: Path
) -> None:
    made = write_pick(run, tmp_path / "pick", prompts=99, images=99)
    assert (made.prompts, made.seeds) == (8, 8)
    texts = set()
    for width in (1280, 390):
        seen = opened(browser, made.page, width=width, dark=width == 390)
        seen.page.locator("#images button").first.click()
        for _ in range(made.prompts):
            texts.add(" ".join(seen.page.locator("#prompt").inner_text().split()))
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
            seen.page.keyboard.press("ArrowRight")
        assert seen.serious() == []
        assert seen.messages == []
        assert seen.page.evaluate("() => window.broken") is None
        seen.page.close()
    assert {" ".join(visible(text).split()) for text in planted.HOSTILE} <= texts


def test_bad_numbers_and_folders_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for prompts, images in ((0, 5), (5, 1), (-1, -1)):
        with pytest.raises(ConfigError, match="give at least 1 and 2"):
            write_pick(run, tmp_path / "new", prompts=prompts, images=images)
    monkeypatch.setattr(write, "MOST_IMAGES", 63)
    with pytest.raises(ConfigError, match="64 images are more than the 63"):
        write_pick(run, tmp_path / "new", prompts=10**9, images=10**9)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="holds other files"):
        write_pick(run, tmp_path, prompts=2, images=2)
    empty = synthetic.start(tmp_path / "empty", seeds=range(3), n_prompts=2)
    with pytest.raises(RunError, match="holds no images"):
        write_pick(empty, tmp_path / "new", prompts=2, images=2)
    one = write_pick(run, tmp_path / "one", prompts=2, images=3).page.read_bytes()
    assert write_pick(run, tmp_path / "one", prompts=2, images=3).page.read_bytes() == one
