from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from analysis.cells import memory, seed_parts
from analysis.cells.cells import read_cells, read_status
from analysis.cells.seed_parts import sample_in_parts
from analysis.metrics.base import FAILED_CELL
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.storage.receipts import Receipt
from pipeline.storage.shards import ShardFolder
from tests.analysis import synthetic
from tests.analysis.synthetic import COLOUR, Pixels, noisy

MEAN = f"{COLOUR}.mean"
BRIGHTNESS = "appearance.brightness"


def measured(path: Path, *, draw: synthetic.Draw = noisy, **shape: object) -> Run:
    shuffle = shape.pop("shuffle", None)
    run = synthetic.start(path, **{"n_prompts": 24, "seeds": range(4), **shape})
    synthetic.draw_all(run, draw, shuffle=shuffle)
    synthetic.extract_all(run, "appearance", COLOUR)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return measured(tmp_path_factory.mktemp("run"))


def of_set(run: Run, number: int) -> list[Prompt]:
    return sorted((p for p in run.prompts.values() if p.set == number), key=lambda p: p.id)


def test_the_arrays_hold_the_cells_values(run: Run) -> None:
    sample = read_cells(run, [MEAN, BRIGHTNESS], sets=[1]).sample([MEAN, BRIGHTNESS])
    wanted = [prompt for prompt in of_set(run, 1) if prompt.object != "kind 11"]
    assert list(sample.prompts) == wanted
    assert sample.seeds == (0, 1, 2, 3)
    assert sample.groups.tolist() == [prompt.group for prompt in wanted]
    assert sample.columns[MEAN].shape == (4, len(wanted), 3)
    for s in (0, 3):
        for p in (0, len(wanted) - 1):
            mean = (noisy(wanted[p], s) / 255).mean(axis=(0, 1))
            np.testing.assert_allclose(sample.columns[MEAN][s, p], mean, atol=1e-6)


@pytest.mark.parametrize(
    "shape",
    [{"shuffle": 5}, {"tile": (3, 5)}, {"tile": (2, 24), "order": "prompts"}],
    ids=["row order", "cuts", "prompts first"],
)
def test_row_order_and_cuts_do_not_matter(
    run: Run, tmp_path: Path, shape: dict[str, object]
) -> None:
    other = measured(tmp_path, **shape)
    needs = [MEAN, BRIGHTNESS]
    first, second = (read_cells(r, needs, sets=[1, 2]).sample(needs) for r in (run, other))
    assert (first.seeds, first.prompts) == (second.seeds, second.prompts)
    for need in needs:
        np.testing.assert_array_equal(first.columns[need], second.columns[need])


def test_growing_in_steps_gives_the_same_arrays(run: Run, tmp_path: Path) -> None:
    other = synthetic.start(tmp_path, n_prompts=7, seeds=[2, 3])
    synthetic.draw_all(other)
    other.grow(range(4), synthetic.prompts(24))
    synthetic.draw_all(other)
    synthetic.extract_all(other, "appearance", COLOUR)
    first, second = (read_cells(r, [MEAN], sets=[1, 2]).sample([MEAN]) for r in (run, other))
    np.testing.assert_array_equal(first.columns[MEAN], second.columns[MEAN])


def test_the_first_n_prompts_are_those_with_the_smallest_ids(run: Run) -> None:
    found = read_cells(run, [BRIGHTNESS], sets=[2])
    assert [p.id for p in found.sample([BRIGHTNESS], n=3).prompts] == [
        p.id for p in of_set(run, 2)[:3]
    ]
    with pytest.raises(RunError, match=r"100 prompts are wanted, but the set has only \d+ to use"):
        found.sample([BRIGHTNESS], n=100)


def test_a_failed_cell_costs_its_prompt_for_all_seeds(tmp_path: Path) -> None:
    count = 80
    lost = of_set(synthetic.start(tmp_path / "look", n_prompts=count), 1)[2]

    def draw(prompt: Prompt, seed: int) -> Pixels | None:
        return None if (prompt.id, seed) == (lost.id, 1) else np.zeros((64, 64, 3), np.uint8)

    run = measured(tmp_path / "run", draw=draw, n_prompts=count, seeds=range(2))
    sample = read_cells(run, [BRIGHTNESS], sets=[1]).sample([BRIGHTNESS])
    assert sample.dropped == (lost.id,)
    assert sample.n == len(of_set(run, 1)) - 1
    assert lost.id not in {prompt.id for prompt in sample.prompts}
    failed = read_cells(run, [FAILED_CELL], sets=[1]).sample([FAILED_CELL])
    assert failed.n == len(of_set(run, 1))
    assert failed.columns[FAILED_CELL].sum(axis=1).tolist() == [0, 1]


def test_too_many_failures_refuse_the_set_with_both_numbers(tmp_path: Path) -> None:
    first = of_set(synthetic.start(tmp_path / "look", n_prompts=24), 1)[0].object

    def draw(prompt: Prompt, seed: int) -> Pixels | None:
        return None if seed == 1 and prompt.object == first else noisy(prompt, seed)

    run = measured(tmp_path / "run", draw=draw)
    total = len(of_set(run, 1))
    lost = sum(prompt.object == first for prompt in of_set(run, 1))
    with pytest.raises(RunError, match=rf"{lost} of {total} prompts .* would be dropped"):
        read_cells(run, [BRIGHTNESS], sets=[1]).sample([BRIGHTNESS])


def test_unequal_n_is_refused_and_names_the_seeds(tmp_path: Path) -> None:
    run = measured(tmp_path, tile=(1, 24))
    run.grow([7], [])
    with pytest.raises(RunError, match=r"unequal n: 1 of 5 seeds lack.*7 \(\d+\)"):
        read_cells(run, [BRIGHTNESS], sets=[1]).sample([BRIGHTNESS])
    synthetic.draw_all(run)  # drawn, but not measured
    with pytest.raises(RunError, match="unequal n"):
        read_cells(run, [BRIGHTNESS], sets=[1]).sample([BRIGHTNESS])
    synthetic.extract_all(run, "appearance")
    assert read_cells(run, [BRIGHTNESS], sets=[1]).sample([BRIGHTNESS]).seeds == (0, 1, 2, 3, 7)


def test_features_of_other_images_count_as_missing(tmp_path: Path) -> None:
    run = measured(tmp_path)
    tile = next(run.tiles())
    run.images.supersede(tile.id, tile.block)
    synthetic.draw_all(run, lambda p, s: noisy(p, s) // 2)
    with pytest.raises(RunError, match="unequal n"):
        read_cells(run, [BRIGHTNESS], sets=[1, 2, 3]).sample([BRIGHTNESS])


def test_files_without_a_receipt_are_never_read(tmp_path: Path) -> None:
    run = measured(tmp_path)
    wanted = read_cells(run, [BRIGHTNESS], sets=[1]).sample([BRIGHTNESS]).columns[BRIGHTNESS]
    for file in list(tmp_path.glob("features/*/*/*.parquet")):
        file.with_name(f"{file.stem}ff.parquet").write_bytes(b"half a file")
    found = read_cells(run, [BRIGHTNESS], sets=[1]).sample([BRIGHTNESS]).columns[BRIGHTNESS]
    np.testing.assert_array_equal(found, wanted)


def test_unknown_columns_are_named(run: Run) -> None:
    with pytest.raises(RunError, match=r"no column 'brightnes'; known: brightness"):
        read_cells(run, ["appearance.brightnes"], sets=[1])
    with pytest.raises(RunError, match="known: failed"):
        read_cells(run, ["cell.other"], sets=[1])


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    run = measured(tmp_path, n_prompts=1)
    empty = 2 if of_set(run, 1) else 1
    with pytest.raises(RunError, match="no prompt of the set"):
        read_cells(run, [BRIGHTNESS], sets=[empty]).sample([BRIGHTNESS])


def test_blocks_of_seeds_are_the_whole_sample_in_bounded_memory(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = [MEAN, BRIGHTNESS]
    whole = read_cells(run, needs, sets=[1]).sample(needs, n=6)
    per_seed = 6 * (3 + 1) * 4  # prompts x (colours + brightness) x float32
    for limit, held in ((1, 1), (15 * per_seed - 1, 2), (50 * per_seed, 4)):
        monkeypatch.setattr(seed_parts, "PART_BYTES", limit)
        blocks = list(sample_in_parts(run, needs, sets=[1], n=6))
        sizes = [sum(array.nbytes for array in block.columns.values()) for block in blocks]
        assert max(sizes) == held * per_seed <= max(limit, per_seed)
        assert [seed for block in blocks for seed in block.seeds] == list(whole.seeds)
        assert {block.prompts for block in blocks} == {whole.prompts}
        for need in needs:
            found = np.concatenate([block.columns[need] for block in blocks])
            np.testing.assert_array_equal(found, whole.columns[need])


def test_blocks_stand_on_the_prompts_that_all_seeds_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = of_set(synthetic.start(tmp_path / "look", n_prompts=80), 1)[2]

    def draw(prompt: Prompt, seed: int) -> Pixels | None:
        return None if (prompt.id, seed) == (lost.id, 1) else noisy(prompt, seed)

    run = measured(tmp_path / "run", draw=draw, n_prompts=80, seeds=range(2), tile=(1, 80))
    monkeypatch.setattr(seed_parts, "PART_BYTES", 1)
    first, second = sample_in_parts(run, [BRIGHTNESS], sets=[1])
    assert (first.seeds, second.seeds) == ((0,), (1,))
    assert first.prompts == second.prompts
    assert first.dropped == second.dropped == (lost.id,)
    # The negative control: seed 0 by itself would have kept the prompt.
    assert not read_status(run, [BRIGHTNESS], sets=[1]).failed["appearance"][0].any()
    run.grow([7], [])
    with pytest.raises(RunError, match=r"unequal n.*7 \(\d+\)"):
        next(sample_in_parts(run, [BRIGHTNESS], sets=[1]))


def test_only_shards_with_a_seed_of_the_block_are_opened(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = measured(tmp_path, tile=(2, 24))
    opened: list[tuple[str, ...]] = []
    read = ShardFolder.read

    def spy(self: ShardFolder, receipt: Receipt, columns: Sequence[str]) -> pa.Table:
        opened.append(tuple(columns))
        return read(self, receipt, columns)

    monkeypatch.setattr(seed_parts, "PART_BYTES", 1)
    monkeypatch.setattr(ShardFolder, "read", spy)
    blocks = sample_in_parts(other, [MEAN], sets=[1])
    next(blocks)
    assert [columns[3:] for columns in opened] == [(), (), ("mean",)]  # two shards of status
    list(blocks)
    assert [columns[3:] for columns in opened].count(("mean",)) == 4  # once a block of one seed


def test_more_than_the_machine_holds_is_refused_with_both_numbers(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 5 * 4 * len(of_set(run, 1)) * 3 * 4
    monkeypatch.setattr(memory, "machine_memory", lambda: needed)
    read_cells(run, [MEAN], sets=[1])
    monkeypatch.setattr(memory, "machine_memory", lambda: needed - 1)
    with pytest.raises(RunError, match=r"take 0\.0 GB of memory, and this machine has 0\.0"):
        read_cells(run, [MEAN], sets=[1])
    assert list(sample_in_parts(run, [MEAN], sets=[1]))
