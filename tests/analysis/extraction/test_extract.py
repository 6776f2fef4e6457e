import pickle
from pathlib import Path

import numpy as np
import pytest

from analysis.cells.cells import read_cells
from analysis.extraction.extract import (
    ExtractStage,
    ExtractTask,
    FeatureSink,
    feature_folder,
    missing_extractions,
    run_feature,
)
from analysis.extraction.rows import NOT_APPLICABLE
from analysis.features import load_feature
from analysis.features.appearance import Appearance
from analysis.features.base import BATCH
from pipeline.errors import RegistryError, RunError, ShardError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.stage import Resources
from pipeline.usage import Stopwatch
from tests.analysis import synthetic
from tests.analysis.synthetic import COLOUR, Pixels, noisy

NAMES = ["appearance", COLOUR]


def one_fails(prompt: Prompt, seed: int) -> Pixels | None:
    return None if seed == 1 and prompt.object == "kind 2" else noisy(prompt, seed)


def hashes(run: Run, name: str) -> dict[str, str]:
    folder = feature_folder(run, load_feature(name))
    return {receipt.shard_id: receipt.content_sha256 for receipt in folder.receipts()}


def rows(run: Run, name: str) -> list[dict[str, object]]:
    folder = feature_folder(run, load_feature(name))
    return [row for receipt in folder.receipts() for row in folder.read(receipt).to_pylist()]


def test_from_disk_and_from_memory_give_the_same_content(tmp_path: Path) -> None:
    shape = {"n_prompts": 18, "seeds": range(8), "tile": (8, 9)}
    assert BATCH < 8 * 9  # more than one batch, the last one short
    run = synthetic.start(tmp_path / "disk", **shape)
    synthetic.draw_all(run, one_fails)
    synthetic.extract_all(run, *NAMES)
    fused = synthetic.start(tmp_path / "memory", **shape)
    sink: FeatureSink = pickle.loads(pickle.dumps(FeatureSink(fused.root, NAMES)))
    sink.setup()
    assert all(sink.wants(tile.id, tile.block) for tile in fused.tiles())
    for shard in synthetic.draw_all(fused, one_fails):
        sink.take(shard, Stopwatch())
        assert not sink.wants(shard.shard_id, shard.block)
    for name in NAMES:
        assert hashes(run, name) == hashes(fused, name)
        assert len(hashes(run, name)) == 2


def test_what_measures_says_what_it_needs(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=2, seeds=[0])
    for kind in (ExtractStage, FeatureSink):
        assert kind(run.root, NAMES).resources == Resources()
        assert kind(run.root, [*NAMES, "hps@hps-v2.1-gpu"]).resources == Resources(gpus=1.0)


def test_a_feature_knows_where_the_pictures_of_prompts_lie(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=2, seeds=[0])
    feature = run_feature(run, "appearance")
    assert feature.conditions == run.root / "conditions"
    assert load_feature("appearance").conditions is None
    assert feature.identity() == load_feature("appearance").identity()  # folders do not count


def test_other_pixels_give_another_content(tmp_path: Path) -> None:
    """The negative control of the test above."""
    found = []
    for place, shift in enumerate((0, 1)):
        run = synthetic.start(tmp_path / str(place), n_prompts=2, seeds=[0])
        synthetic.draw_all(run, lambda p, s, shift=shift: noisy(p, s) // 2 + shift)
        synthetic.extract_all(run, "appearance")
        found.append(hashes(run, "appearance"))
    assert found[0].keys() == found[1].keys()
    assert found[0] != found[1]


def test_nulls_say_why(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=12, seeds=range(2))
    synthetic.draw_all(run, one_fails)
    synthetic.extract_all(run, *NAMES)
    kinds = {prompt.id: prompt.object for prompt in run.prompts.values()}
    for row in rows(run, COLOUR):
        reason = {("kind 2", 1): "failed: planted"}.get((kinds[row["prompt_id"]], row["seed"]))
        if kinds[row["prompt_id"]] == "kind 11":
            reason = f"{NOT_APPLICABLE}kind 11 has no colour"
        assert row["null_reason"] == reason
        assert (row["mean"] is None) == (reason is not None)
    assert sum(row["null_reason"] is not None for row in rows(run, "appearance")) == 1


def test_images_that_are_not_kept_can_only_be_measured_while_drawn(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path / "late", n_prompts=3, seeds=[0])
    synthetic.draw_all(run, keep=False)
    with pytest.raises(ShardError, match="3 images of this shard were not kept"):
        synthetic.extract_all(run, "appearance")
    assert len(missing_extractions(run, ["appearance"])) == 1
    run = synthetic.start(tmp_path / "in time", n_prompts=3, seeds=[0])
    sink = FeatureSink(run.root, ["appearance"])
    for shard in synthetic.draw_all(run, keep=False):
        sink.take(shard, Stopwatch())
    assert {row["null_reason"] for row in rows(run, "appearance")} == {None}
    assert missing_extractions(run, ["appearance"]) == []


def test_what_is_missing_is_found_and_done_once(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=10, seeds=range(2))
    assert missing_extractions(run, NAMES) == []  # nothing is drawn
    synthetic.draw_all(run)
    tasks = missing_extractions(run, NAMES)
    assert [task.id for task in tasks] == [tile.id for tile in run.tiles()]
    stage = ExtractStage(run.root, NAMES)
    stage.setup()
    outcome = stage.run(tasks[0])
    assert (outcome.cells, outcome.failed, outcome.error) == (16, 0, "")
    assert missing_extractions(run, NAMES) == tasks[1:]
    before = sorted(tmp_path.glob("features/*/*/*.parquet"))
    stage.run(tasks[0])
    assert sorted(tmp_path.glob("features/*/*/*.parquet")) == before


def test_a_shard_that_was_drawn_anew_is_measured_anew(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=2, seeds=[0])
    synthetic.draw_all(run)
    synthetic.extract_all(run, "appearance")
    old = hashes(run, "appearance")
    tile = next(run.tiles())
    run.images.supersede(tile.id, tile.block)
    assert missing_extractions(run, ["appearance"]) == []  # no image shard, nothing to measure
    synthetic.draw_all(run, lambda p, s: noisy(p, s)[::-1] // 2)
    assert len(missing_extractions(run, ["appearance"])) == 1
    synthetic.extract_all(run, "appearance")
    assert missing_extractions(run, ["appearance"]) == []
    assert hashes(run, "appearance") != old


def test_a_shard_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=2, seeds=[0])
    tile = next(run.tiles())
    with pytest.raises(ShardError, match="is not drawn"):
        ExtractStage(run.root, ["appearance"]).run(ExtractTask(tile.id, tile.block))


def test_a_damaged_image_shard_says_how_to_mend_it(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=2, seeds=[0])
    synthetic.draw_all(run)
    tile = next(run.tiles())
    task = ExtractTask(tile.id, tile.block)
    receipt = run.images.receipt(tile.id, tile.block)
    assert receipt is not None
    path = run.images.store.path(f"{run.images.prefix}/{receipt.file}")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ShardError, match=r"goldenseed repair "):
        ExtractStage(run.root, ["appearance"]).run(task)


def test_an_unknown_feature_is_an_error_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="did you mean 'appearance'"):
        ExtractStage(tmp_path, ["apearance"])


def test_numbers_that_are_not_finite_are_never_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = synthetic.start(tmp_path, n_prompts=2, seeds=[0])
    synthetic.draw_all(run)
    monkeypatch.setattr(
        synthetic.Colour,
        "extract",
        lambda self, images: {"mean": np.full((len(images), 3), np.nan, np.float32)},
    )
    with pytest.raises(ShardError, match="not finite"):
        synthetic.extract_all(run, COLOUR)
    assert rows(run, COLOUR) == []


def test_a_recipe_chooses_a_share_of_the_prompts(tmp_path: Path) -> None:
    share = {"feature_prompts": {"appearance": {"every": 3}}}
    run = synthetic.start(tmp_path, n_prompts=24, seeds=range(2), **share)
    synthetic.draw_all(run)
    synthetic.extract_all(run, *NAMES)
    chosen = {key for key in run.prompts if int(key, 16) % 3 == 0}
    assert 3 <= len(chosen) <= 14
    found = {row["prompt_id"]: row["null_reason"] for row in shared_rows(run)}
    reason = f"{NOT_APPLICABLE}the recipe measures one prompt in 3"
    assert found == {key: None if key in chosen else reason for key in run.prompts}
    cells = read_cells(run, ["appearance.brightness"], sets=[1, 2, 3])
    sample = cells.sample(["appearance.brightness"])
    assert {prompt.id for prompt in sample.prompts} == chosen
    assert sample.dropped == ()


def shared_rows(run: Run) -> list[dict[str, object]]:
    folder = feature_folder(run, run_feature(run, "appearance"))
    return [row for receipt in folder.receipts() for row in folder.read(receipt).to_pylist()]


def test_another_share_is_another_identity_and_the_run_is_the_same(tmp_path: Path) -> None:
    plain = synthetic.start(tmp_path / "all", n_prompts=9, seeds=[0])
    share = {"feature_prompts": {"appearance": {"every": 3}}, "measure": "afterwards"}
    run = synthetic.start(tmp_path / "some", n_prompts=9, seeds=[0], **share)
    assert run.run_id == plain.run_id
    assert run.grid_hash == plain.grid_hash
    assert run_feature(plain, "appearance").identity() == load_feature("appearance").identity()
    synthetic.draw_all(run)
    synthetic.extract_all(run, "appearance")
    assert missing_extractions(run, ["appearance"]) == []
    again = synthetic.start(tmp_path / "some", n_prompts=9, seeds=[0])  # the recipe takes all now
    assert len(missing_extractions(again, ["appearance"])) > 0


def test_shards_of_another_identity_count_as_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = synthetic.start(tmp_path, n_prompts=9, seeds=[0])
    synthetic.draw_all(run)
    synthetic.extract_all(run, "appearance")
    assert missing_extractions(run, ["appearance"]) == []
    monkeypatch.setattr(Appearance, "code_version", Appearance.code_version + 1)
    assert len(missing_extractions(run, ["appearance"])) > 0
    cells = read_cells(run, ["appearance.brightness"], sets=[1, 2, 3])
    with pytest.raises(RunError, match="no image is measured yet by appearance"):
        cells.sample(["appearance.brightness"])


def test_measuring_continues_where_it_stopped(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=16, seeds=range(4))
    synthetic.draw_all(run)
    tasks = missing_extractions(run, ["appearance"])
    stage = ExtractStage(run.root, ["appearance"])
    stage.setup()
    stage.run(tasks[0])
    first = hashes(run, "appearance")
    left = missing_extractions(run, ["appearance"])
    assert [task.id for task in left] == [task.id for task in tasks[1:]]
    synthetic.extract_all(run, "appearance")
    done = hashes(run, "appearance")
    assert first.items() <= done.items()
    assert len(done) == len(tasks)
