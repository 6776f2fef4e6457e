"""The parts of the seed classifier: split, stream, training that survives a kill, Grad-CAM."""

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
from analysis.studies.distinguishability.stream import Stream, ahead
from analysis.studies.distinguishability.training import Classifier
from analysis.studies.distinguishability.trials import p_value
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


def test_no_group_is_in_two_parts_and_a_split_by_prompts_would_share_them() -> None:
    prompts = synthetic.prompts(240)
    split = split_by_group(prompts)
    parts = {name: {p.group for p in getattr(split, name)} for name in PARTS}
    assert sum(map(len, parts.values())) == len(set().union(*parts.values())) == 12
    assert sum(len(getattr(split, name)) for name in PARTS) == 240
    alone = split_by_group(replace(p, group=p.id) for p in prompts)
    assert {p.object for p in alone.train} & {p.object for p in alone.test}


def test_counts_are_pictures_per_seed_and_too_few_are_refused_with_numbers() -> None:
    prompts = synthetic.prompts(240)
    split = split_by_group(prompts, (100, 21, 50))
    assert [len(getattr(split, name)) for name in PARTS] == [100, 21, 50]
    with pytest.raises(RunError, match=r"140 prompts .* training; .* needs 9,000"):
        split_by_group(prompts, (9000, 40, 40))
    with pytest.raises(RunError, match=r"needs .* at least 3 groups"):
        split_by_group([Prompt("one"), Prompt("two")])


@pytest.mark.parametrize("buffer", [1, 2**19, 2**30])
def test_every_picture_comes_once_and_is_its_cells(run: Run, buffer: int) -> None:
    draw = synthetic.noisy
    whole = stream(run, buffer_bytes=buffer)
    met: Counter[tuple[int, int]] = Counter()
    sizes = []
    for batch in whole.batches(50, np.random.default_rng(3)):
        met.update(zip(batch.prompts.tolist(), batch.seeds.tolist(), strict=True))
        sizes.append(len(batch.seeds))
        wanted = draw(whole.prompts[batch.prompts[0]], whole.seeds[batch.seeds[0]])
        same = (batch.images[0] == wanted).all(axis=2)
        assert 1 - same.mean() == pytest.approx(144 / 4096)  # all but the painted square
    assert set(met.values()) == {1}
    assert len(met) == whole.cells
    assert sizes[:-1] == [50] * (len(sizes) - 1)


def test_batches_are_mixed_and_without_a_stream_keep_the_grids_order(run: Run) -> None:
    one = next(stream(run).batches(32, np.random.default_rng(1)))
    again = next(stream(run).batches(32, np.random.default_rng(1)))
    assert np.array_equal(one.seeds, again.seeds)
    assert np.array_equal(one.images, again.images)
    assert len(set(one.prompts.tolist())) > 8
    plain = next(stream(run).batches(32))
    assert plain.seeds[:8].tolist() == [0, 1, 2, 3] * 2


def test_some_seeds_and_prompts_and_what_is_not_there(run: Run, tmp_path: Path) -> None:
    some = stream(run, seeds=(5, 2), prompts=stream(run).prompts[3:7])
    (batch,) = some.batches(100)
    assert sorted(zip(batch.prompts.tolist(), batch.seeds.tolist(), strict=True)) == [
        (prompt, seed) for prompt in range(4) for seed in range(2)
    ]
    empty = synthetic.start(tmp_path / "empty", n_prompts=12)
    with pytest.raises(RunError, match="not drawn"):
        next(stream(empty).batches(8))
    synthetic.draw_all(empty, keep=False)
    with pytest.raises(RunError, match="keep_images"):
        next(stream(empty).batches(8))


def test_an_exception_of_the_thread_is_raised_at_its_place() -> None:
    def items() -> object:
        yield from (1, 2)
        raise ValueError("third")

    found = ahead(iter(items()))  # type: ignore[call-overload]
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(found)


COURSE = Course(epochs=2, batch_size=32, checkpoint_every=3)


def classifier(run: Run, *, entropy: int = 1, course: Course = COURSE) -> Classifier:
    split = split_by_group(run.prompts.values())
    seeds = tuple(run.seeds)
    streams = Stream(run, split.train, seeds), Stream(run, split.validation, seeds)
    return Classifier(course, *streams, (entropy,))


def sha256(run: Run, made: Classifier) -> str:
    return hashlib.sha256(run.store.path(made.key).read_bytes()).hexdigest()


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


def test_a_training_says_how_far_it_is_and_whose_work_the_rate_is(
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


def test_smoothed_labels_leave_a_network_less_sure(run: Run, tmp_path: Path) -> None:
    sure = {}
    for smoothing in (0.0, 0.5):
        copy = Run.open(shutil.copytree(run.root, tmp_path / str(smoothing)))
        course = replace(COURSE, epochs=8, label_smoothing=smoothing)
        trained = classifier(copy, course=course).fit()
        batch = next(trained.train.batches(64))
        with torch.inference_mode():
            logits = trained.network(pixels_of(batch.images))
        sure[smoothing] = float(logits.softmax(dim=1).amax(dim=1).mean())
    assert sure[0.5] < sure[0.0] - 0.1


def test_a_done_training_is_taken_up_and_a_damaged_file_is_named(run: Run, tmp_path: Path) -> None:
    copy = Run.open(shutil.copytree(run.root, tmp_path / "run"))
    made = classifier(copy, course=replace(COURSE, epochs=1)).fit()
    again = classifier(copy, course=replace(COURSE, epochs=1)).fit(stop_after=0)
    for one, two in zip(made.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, two)
    copy.store.path(made.key).write_bytes(b"half a file")
    with pytest.raises(RunError, match="damaged"):
        classifier(copy, course=replace(COURSE, epochs=1)).fit()


def test_the_global_stream_is_left_alone(run: Run, tmp_path: Path) -> None:
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
        made: torch.Tensor = self.body(pixels)
        return made

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.head(features.mean(dim=(2, 3)))
        return made


def cam(network: Pooled, pixels: torch.Tensor, classes: torch.Tensor) -> np.ndarray:
    """Zhou et al. 2016: the last maps, weighted by the class's row of the linear layer."""
    with torch.no_grad():
        features = network.body(pixels)
        maps = torch.einsum("bchw,bc->bhw", features, network.head.weight[classes]).relu()
        maps = nn.functional.interpolate(maps[:, None], pixels.shape[-2:], mode="bilinear")[:, 0]
        return (maps / maps.amax(dim=(1, 2), keepdim=True)).numpy()


def test_grad_cam_is_cam_where_both_exist_and_asks_for_the_class() -> None:
    rng = np.random.default_rng(0)
    pixels = pixels_of(rng.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8))
    network = Pooled()
    classes = torch.tensor([0, 1, 2, 3])
    found = grad_cam(network, pixels, classes)
    assert found is not None
    assert found == pytest.approx(cam(network, pixels, classes), abs=1e-5)
    assert found != pytest.approx(cam(network, pixels, classes.flip(0)), abs=1e-2)


def test_places_add_up_to_the_logit_where_the_head_reads_them_one_by_one() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of the first weights, which are torch's own
        network = SmallNetwork(5).eval()
    rng = np.random.default_rng(1)
    pixels = pixels_of(rng.integers(0, 256, (3, 64, 64, 3)).astype(np.uint8))
    classes = torch.tensor([4, 0, 2])
    found = contributions(network, pixels, classes)
    assert found is not None
    with torch.no_grad():
        logits = network(pixels)[torch.arange(3), classes] - network.head.bias[classes]
        weights = network.head.weight[classes].view(3, 128, 4, 4).mean(dim=(2, 3), keepdim=True)
        averaged = (weights * network.forward_features(pixels)).sum(dim=(1, 2, 3))
    assert found.sum(dim=(1, 2)).numpy() == pytest.approx(logits.numpy(), abs=1e-4)
    assert averaged.numpy() != pytest.approx(logits.numpy(), abs=1e-4)  # Grad-CAM's mean gradient


def test_backbones_of_timm_have_maps_and_tokens_have_none() -> None:
    network = make_network("test_resnet", 7).eval()
    pixels = torch.zeros(2, 3, 64, 64)
    assert network(pixels).shape == (2, 7)
    found = grad_cam(network, pixels, torch.tensor([0, 6]))
    assert found is not None
    assert found.shape == (2, 64, 64)
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


def test_the_p_value_is_of_owners_within_prompts(run: Run) -> None:
    whole = stream(run)
    truth = np.broadcast_to(np.arange(8), (len(whole.prompts), 8)).copy()
    assert p_value(Answers(whole, truth), np.random.default_rng(0)) == 1 / 1001
    shuffled = np.random.default_rng(1).permuted(truth, axis=1)
    assert p_value(Answers(whole, shuffled), np.random.default_rng(0)) > 0.05
    assert Answers(whole, shuffled).of_prompts([Prompt("not there")]) is None
