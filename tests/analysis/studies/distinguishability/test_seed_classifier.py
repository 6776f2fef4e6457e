"""The parts of the seed classifier: split, stream, resumed training, Grad-CAM, changes."""

import hashlib
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from analysis.statistics.parallel import ahead
from analysis.studies.distinguishability import pace
from analysis.studies.distinguishability.answers import Answers
from analysis.studies.distinguishability.changes import CHANGES, cropped, jpeg, resized
from analysis.studies.distinguishability.course import Course
from analysis.studies.distinguishability.network import (
    SmallNetwork,
    contributions,
    grad_cam,
    make_network,
    pixels_of,
)
from analysis.studies.distinguishability.split import split_by_group
from analysis.studies.distinguishability.stream import Stream
from analysis.studies.distinguishability.training import Classifier
from analysis.studies.distinguishability.trials import owners_p
from goldenseed.progress import show_progress_lines
from pipeline.errors import ConfigError, RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.studies.distinguishability.painted import painted_run

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return painted_run(tmp_path_factory.mktemp("painted") / "run", prompts=36)


def stream(run: Run, **changes: object) -> Stream:
    prompts = tuple(sorted(run.prompts.values(), key=lambda prompt: prompt.id))
    return replace(Stream(run, prompts, tuple(run.seeds)), **changes)


def test_no_group_is_in_two_parts_and_a_split_by_prompts_would_share_groups() -> None:
    prompts = synthetic.prompts(240)
    split = split_by_group(prompts)
    parts = {name: {p.group for p in getattr(split, name)} for name in PARTS}
    assert sum(map(len, parts.values())) == len(set().union(*parts.values())) == 12
    assert sum(len(getattr(split, name)) for name in PARTS) == 240
    alone = split_by_group(replace(p, group=p.id) for p in prompts)
    assert {p.object for p in alone.train} & {p.object for p in alone.test}


def test_counts_are_images_per_seed_and_too_few_are_refused_with_numbers() -> None:
    prompts = synthetic.prompts(240)
    split = split_by_group(prompts, (100, 21, 50))
    assert [len(getattr(split, name)) for name in PARTS] == [100, 21, 50]
    with pytest.raises(RunError, match=r"140 prompts .* training; .* needs 9,000"):
        split_by_group(prompts, (9000, 40, 40))
    with pytest.raises(RunError, match=r"needs .* at least 3 groups"):
        split_by_group([Prompt("one"), Prompt("two")])


@pytest.mark.parametrize("buffer", [1, 2**19, 2**30])
def test_each_image_comes_once_and_belongs_to_its_cell(run: Run, buffer: int) -> None:
    draw = synthetic.noisy
    full = stream(run, buffer_bytes=buffer)
    seen: Counter[tuple[int, int]] = Counter()
    sizes = []
    for batch in full.batches(50, np.random.default_rng(3)):
        seen.update(zip(batch.prompts.tolist(), batch.seeds.tolist(), strict=True))
        sizes.append(len(batch.seeds))
        wanted = draw(full.prompts[batch.prompts[0]], full.seeds[batch.seeds[0]])
        same = (batch.images[0] == wanted).all(axis=2)
        assert 1 - same.mean() == pytest.approx(144 / 4096)  # all but the painted square
    assert set(seen.values()) == {1}
    assert len(seen) == full.cells
    assert sizes[:-1] == [50] * (len(sizes) - 1)


def test_batches_are_shuffled_and_keep_the_grids_order_without_a_generator(run: Run) -> None:
    first = next(stream(run).batches(32, np.random.default_rng(1)))
    again = next(stream(run).batches(32, np.random.default_rng(1)))
    assert np.array_equal(first.seeds, again.seeds)
    assert np.array_equal(first.images, again.images)
    assert len(set(first.prompts.tolist())) > 8
    plain = next(stream(run).batches(32))
    assert plain.seeds[:8].tolist() == [0, 1, 2, 3] * 2


def test_a_stream_of_some_seeds_and_prompts_and_missing_images(run: Run, tmp_path: Path) -> None:
    part = stream(run, seeds=(5, 2), prompts=stream(run).prompts[3:7])
    (batch,) = part.batches(100)
    assert sorted(zip(batch.prompts.tolist(), batch.seeds.tolist(), strict=True)) == [
        (prompt, seed) for prompt in range(4) for seed in range(2)
    ]
    empty = synthetic.start(tmp_path / "empty", n_prompts=12)
    with pytest.raises(RunError, match="not drawn"):
        next(stream(empty).batches(8))
    synthetic.draw_all(empty, keep=False)
    with pytest.raises(RunError, match="keep_images"):
        next(stream(empty).batches(8))


def test_an_exception_of_the_thread_is_raised_in_the_order_of_the_items() -> None:
    def items() -> object:
        yield from (1, 2)
        raise ValueError("third")

    decoded = ahead(iter(items()))  # type: ignore[call-overload]
    assert [next(decoded), next(decoded)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(decoded)


COURSE = Course(epochs=2, batch_size=32, checkpoint_every=3)


def classifier(run: Run, *, entropy: int = 1, course: Course = COURSE) -> Classifier:
    split = split_by_group(run.prompts.values())
    seeds = tuple(run.seeds)
    streams = Stream(run, split.train, seeds), Stream(run, split.validation, seeds)
    return Classifier(course, *streams, (entropy,))


def sha256(run: Run, trained: Classifier) -> str:
    return hashlib.sha256(run.store.path(trained.key).read_bytes()).hexdigest()


def test_a_killed_training_ends_with_the_same_weights(run: Run, tmp_path: Path) -> None:
    runs = [
        Run.open(shutil.copytree(run.root, tmp_path / name))
        for name in ("whole", "killed", "other")
    ]
    whole = classifier(runs[0]).fit()
    killed = classifier(runs[1]).fit(stop_after=4)
    assert (killed.progress.epoch, killed.progress.step) == (0, 4)
    resumed = classifier(runs[1])
    resumed._load()
    assert resumed.progress.step == 3  # the checkpoint before the kill
    resumed = classifier(runs[1]).fit()
    assert resumed.progress == whole.progress
    assert sha256(runs[1], resumed) == sha256(runs[0], whole)
    other = classifier(runs[2], entropy=2).fit()
    assert sha256(runs[2], other) != sha256(runs[0], whole)


def test_progress_lines_give_the_rate_of_this_process(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pace, "LINE_SECONDS", 0.0)
    show_progress_lines()
    copy = Run.open(shutil.copytree(run.root, tmp_path / "run"))
    classifier(copy).fit(stop_after=4)
    (line, *_) = capsys.readouterr().err.splitlines()
    total = COURSE.epochs * classifier(copy).train.cells
    assert re.match(rf"seed classifier: 64 of {total:,} images, \d+ images/s, \d+ min left", line)
    classifier(copy).fit(stop_after=2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"seed classifier: {5 * 32} of")  # the first step only starts the clock


def test_label_smoothing_lowers_confidence(run: Run, tmp_path: Path) -> None:
    confidence = {}
    for smoothing in (0.0, 0.5):
        copy = Run.open(shutil.copytree(run.root, tmp_path / str(smoothing)))
        course = replace(COURSE, epochs=8, label_smoothing=smoothing)
        trained = classifier(copy, course=course).fit()
        batch = next(trained.train.batches(64))
        with torch.inference_mode():
            logits = trained.network(pixels_of(batch.images))
        confidence[smoothing] = float(logits.softmax(dim=1).amax(dim=1).mean())
    assert confidence[0.5] < confidence[0.0] - 0.1


def test_a_finished_training_is_loaded_and_a_damaged_file_is_named(
    run: Run, tmp_path: Path
) -> None:
    copy = Run.open(shutil.copytree(run.root, tmp_path / "run"))
    trained = classifier(copy, course=replace(COURSE, epochs=1)).fit()
    again = classifier(copy, course=replace(COURSE, epochs=1)).fit(stop_after=0)
    for a, b in zip(trained.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(a, b)
    copy.store.path(trained.key).write_bytes(b"half a file")
    with pytest.raises(RunError, match="is not what its receipt"):
        classifier(copy, course=replace(COURSE, epochs=1)).fit()


def test_the_global_random_stream_is_not_changed(run: Run, tmp_path: Path) -> None:
    copy = Run.open(shutil.copytree(run.root, tmp_path / "run"))
    before = torch.get_rng_state()
    classifier(copy).fit(stop_after=1)
    assert torch.equal(before, torch.get_rng_state())


class Pooled(nn.Module):
    """Average pooling and a linear layer, for which Grad-CAM is CAM."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 6, 5, stride=4), nn.Linear(6, 4)

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.body(pixels)
        return features

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(features.mean(dim=(2, 3)))
        return logits


def cam(network: Pooled, pixels: torch.Tensor, classes: torch.Tensor) -> np.ndarray:
    """CAM of Zhou et al. 2016: the last maps, weighted by the class's row of the linear layer."""
    with torch.no_grad():
        features = network.body(pixels)
        maps = torch.einsum("bchw,bc->bhw", features, network.head.weight[classes]).relu()
        maps = nn.functional.interpolate(maps[:, None], pixels.shape[-2:], mode="bilinear")[:, 0]
        return (maps / maps.amax(dim=(1, 2), keepdim=True)).numpy()


def test_grad_cam_equals_cam_and_depends_on_the_class() -> None:
    rng = np.random.default_rng(0)
    pixels = pixels_of(rng.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8))
    network = Pooled()
    classes = torch.tensor([0, 1, 2, 3])
    maps = grad_cam(network, pixels, classes)
    assert maps is not None
    assert maps == pytest.approx(cam(network, pixels, classes), abs=1e-5)
    assert maps != pytest.approx(cam(network, pixels, classes.flip(0)), abs=1e-2)


def test_contributions_sum_to_the_logit_if_the_head_reads_each_position() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)  # for the initial weights
        network = SmallNetwork(5).eval()
    rng = np.random.default_rng(1)
    pixels = pixels_of(rng.integers(0, 256, (3, 64, 64, 3)).astype(np.uint8))
    classes = torch.tensor([4, 0, 2])
    parts = contributions(network, pixels, classes)
    assert parts is not None
    with torch.no_grad():
        logits = network(pixels)[torch.arange(3), classes] - network.head.bias[classes]
        weights = network.head.weight[classes].view(3, 128, 4, 4).mean(dim=(2, 3), keepdim=True)
        averaged = (weights * network.forward_features(pixels)).sum(dim=(1, 2, 3))
    assert parts.sum(dim=(1, 2)).numpy() == pytest.approx(logits.numpy(), abs=1e-4)
    assert averaged.numpy() != pytest.approx(logits.numpy(), abs=1e-4)  # Grad-CAM's mean gradient


def test_timm_backbones_have_maps_and_tokens_have_none() -> None:
    network = make_network("test_resnet", 7).eval()
    pixels = torch.zeros(2, 3, 64, 64)
    assert network(pixels).shape == (2, 7)
    maps = grad_cam(network, pixels, torch.tensor([0, 6]))
    assert maps is not None
    assert maps.shape == (2, 64, 64)
    small = SmallNetwork(3)
    small.forward_features = lambda pixels: torch.zeros(2, 9, 4)  # type: ignore[method-assign]
    assert grad_cam(small, pixels, torch.tensor([0, 1])) is None
    with pytest.raises(ConfigError, match="neither 'small' nor a model of timm"):
        make_network("resnet_18", 7)


def test_changes_keep_the_shape_and_do_what_they_say() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    for change in CHANGES.values():
        changed = change(images)
        assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
        assert (changed != images).any()
    worse = [np.abs(jpeg(q)(images).astype(int) - images).mean() for q in (95, 50, 10)]
    assert worse == sorted(worse)
    assert resized(0.25)(images).std() < images.std() / 2
    frame = np.zeros((1, 64, 64, 3), np.uint8)
    frame[:, 8:-8, 8:-8] = 255
    assert (cropped(0.75)(frame)[:, 2:-2, 2:-2] == 255).all()


def test_the_owners_p_permutes_owners_within_prompt_groups(run: Run) -> None:
    full = stream(run)
    truth = np.broadcast_to(np.arange(8), (len(full.prompts), 8)).copy()
    assert owners_p(Answers(full, truth), np.random.default_rng(0)) == 1 / 2001
    shuffled = np.random.default_rng(1).permuted(truth, axis=1)
    assert owners_p(Answers(full, shuffled), np.random.default_rng(0)) > 0.05
    assert Answers(full, shuffled).of_prompts([Prompt("not there")]) is None
