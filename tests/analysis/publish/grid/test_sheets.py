"""Sheets hold the images of the run at their places, in every level; interrupted work continues."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.extraction import images as image_reader
from analysis.publish.grid import plan_grid, sheets, write_grid
from analysis.publish.grid.layout import CELLS, SHEET, Layout, sheet_name
from pipeline.errors import ConfigError, RunError, ShardError, StoreError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic

SEEDS, PROMPTS = range(3, 23), 24


def plain(prompt: Prompt, seed: int) -> synthetic.Pixels | None:
    """Each cell has its own plain colour, so that JPEG keeps it; one cell failed."""
    if seed == 5 and prompt.text.startswith("a number 1 thing of kind 3"):
        return None
    colour = [(seed * 11) % 256, int(prompt.id[:2], 16), 255 - (seed * 7) % 256]
    return np.full((synthetic.SIZE, synthetic.SIZE, 3), colour, np.uint8)


def made(path: Path, **recipe: object) -> Run:
    run = synthetic.start(path, seeds=SEEDS, n_prompts=PROMPTS, tile=(6, 10), **recipe)
    synthetic.draw_all(run, plain)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("grid") / "run")


def middle(folder: Path, layout: Layout, level: int, s: int, p: int) -> list[int]:
    """The colour in the middle of a cell, looked up without the code under test."""
    side = layout.sides[level]
    per = SHEET // side
    with Image.open(folder / "sheets" / str(level) / f"{s // per}-{p // per}.jpg") as sheet:
        pixels = np.asarray(sheet)[p % per * side :, s % per * side :][:side, :side]
    return [int(value) for value in pixels[side // 2, side // 2]]


@pytest.mark.parametrize("cell", [32, 64, 256])
def test_every_cell_is_at_its_place_in_every_level(run: Run, tmp_path: Path, cell: int) -> None:
    folder = write_grid(run, tmp_path / "grid", cell=cell).parent
    layout = Layout(len(SEEDS), PROMPTS, cell)
    for level, side in enumerate(layout.sides):
        worst = 0
        for s, seed in enumerate(sorted(SEEDS)):
            for p, prompt in enumerate(run.prompts.values()):
                pixels = plain(prompt, seed)
                wanted = sheets.BLANK if pixels is None else pixels[0, 0]
                found = middle(folder, layout, level, s, p)
                worst = max(worst, int(np.abs(np.subtract(wanted, found, dtype=int)).max()))
        assert worst <= (12 if side >= 8 else 60), (level, side, worst)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}
    levels = range(len(layout.sides))
    assert names == {sheet_name(k, at) for k in levels for at in layout.sheets(k)}


def test_the_same_run_gives_the_same_bytes_and_little_more_than_said(
    run: Run, tmp_path: Path
) -> None:
    plan = plan_grid(run, tmp_path / "one")
    one, two = (write_grid(run, tmp_path / name).parent for name in ("one", "two"))
    files = {path.relative_to(one): path.read_bytes() for path in one.rglob("*.*")}
    assert files == {path.relative_to(two): path.read_bytes() for path in two.rglob("*.*")}
    assert plan.files == len(files)
    sheet_bytes = sum(len(data) for path, data in files.items() if path.suffix == ".jpg")
    assert 0.8 * sheet_bytes < plan.bytes < 1.5 * sheet_bytes


def test_no_sheet_is_above_the_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SHEET, SHEET, 3), dtype=np.uint8)
    for fine in (True, False):
        assert len(sheets.encode(Image.fromarray(noise), fine=fine)) <= sheets.LIMIT


def test_interrupted_work_continues_and_ends_in_the_same_bytes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_grid(run, tmp_path / "whole", cell=256).parent
    units: list[int] = []

    def stop(done: int, total: int) -> None:
        units.append(total)
        if done == 2:
            raise KeyboardInterrupt

    target = tmp_path / "grid"
    monkeypatch.setattr(sheets, "_cores", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        write_grid(run, target, cell=256, progress=stop)
    assert not target.exists()
    decoded: list[int] = []
    decode = image_reader.decode_image

    def counted(data: bytes, *, height: int, width: int) -> synthetic.Pixels:
        decoded.append(1)
        return decode(data, height=height, width=width)

    monkeypatch.setattr(image_reader, "decode_image", counted)
    write_grid(run, target, cell=256)
    assert 0 < len(decoded) < len(SEEDS) * PROMPTS - 1
    for path in whole.rglob("*.*"):
        assert (target / path.relative_to(whole)).read_bytes() == path.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_work_on_other_images_is_not_continued(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    target = tmp_path / "grid"

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_grid(run, target, progress=stop)
    run.grow([*SEEDS, 40], list(run.prompts.values()))
    synthetic.draw_all(run, plain)
    write_grid(run, target)
    with Image.open(target / sheet_name(0, (2, 0))) as sheet:
        assert sheet.size[0] == 5 * 64


def test_an_unfinished_run_shows_what_is_drawn(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path / "run", seeds=SEEDS, n_prompts=PROMPTS, tile=(6, 10))
    with pytest.raises(RunError, match="holds no images to show"):
        plan_grid(run)
    synthetic.draw_all(run, plain)
    tile = next(iter(run.tiles()))
    run.images.supersede(tile.id, tile.block)
    text = write_grid(run).read_text("utf-8")
    assert f"{len(SEEDS) * PROMPTS - 1 - 60} images" in text


def test_only_prompts_whose_images_are_kept_are_rows(tmp_path: Path) -> None:
    run = made(tmp_path / "run", keep_images=7)
    assert plan_grid(run).prompts == 7


@pytest.mark.parametrize(
    ("cell", "error"), [(63, "cells of 63 pixels"), (0, "cells of 0"), (512, "give one of")]
)
def test_other_cells_are_refused(run: Run, cell: int, error: str) -> None:
    assert cell not in CELLS
    with pytest.raises(ConfigError, match=error):
        plan_grid(run, cell=cell)


def test_a_folder_of_somebody_is_not_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="holds other files"):
        write_grid(run, tmp_path)
    with pytest.raises(RunError, match="is a file"):
        write_grid(run, tmp_path / "mine.txt")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/grid cannot be written"):
        write_grid(run, tmp_path / "file" / "grid")


def test_a_damaged_image_stops_the_work(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    receipt = next(iter(run.images.receipts()))
    path = run.images.data_path(receipt)
    data = bytearray(path.read_bytes())
    data[200] ^= 255
    path.write_bytes(data)
    with pytest.raises(ShardError):
        write_grid(run)
    assert not (run.root / "report" / "grid").exists()


def test_an_earlier_grid_is_replaced(run: Run, tmp_path: Path) -> None:
    write_grid(run, tmp_path / "grid", cell=256)
    page = write_grid(run, tmp_path / "grid", cell=32)
    assert not (page.parent / "sheets" / "0" / "5-0.jpg").exists()
    block = page.read_text("utf-8").split('id="data-layout">')[1].split("</script>")[0]
    assert json.loads(block) == {"sheet": SHEET, "sides": [32, 8]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid"]
