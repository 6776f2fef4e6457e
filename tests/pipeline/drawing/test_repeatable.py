"""A model whose images depend on more than prompt and seed is refused before the first image."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import find_card, resolve
from pipeline.drawing.repeatable import draw_repeatably
from pipeline.drawing.stage import generate_stage
from pipeline.drawing.stage.loading import load_model
from pipeline.errors import ModelError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.layout import CANARY_FILE
from pipeline.runs.run import Run
from pipeline.settings.config import InterventionConfig
from pipeline.settings.recipe import Recipe
from pipeline.stage import Uint8Images

PROMPT = Prompt("a red ball")


def a_run(**config: Any) -> Any:  # noqa: ANN401 - what the check reads of a run
    defaults: dict[str, Any] = {
        "card": "c", "scheduler": "DDIMScheduler", "num_inference_steps": 4, "dtype": "float32",
        "guidance_scale": 1.0, "scheduler_config": {}, "batch_size": 4, "compiled": False,
        "intervention": InterventionConfig(),
    }  # fmt: skip
    seeds = config.pop("seeds", (8, 9, 10, 11))
    tile = SimpleNamespace(cells=[(PROMPT.id, seed) for seed in seeds])
    return SimpleNamespace(
        config=SimpleNamespace(**defaults | config),
        prompts={PROMPT.id: PROMPT},
        tiles=lambda: iter([tile]),
    )


class Painter:
    """Paints noise of each seed, and adds what a function makes for the whole batch."""

    def __init__(self, extra: Callable[[tuple[int, ...]], Any] = lambda shape: 0) -> None:
        self.extra = extra
        self.batches: list[tuple[int, ...]] = []

    def generate(self, batch: Batch) -> Drawn:
        self.batches.append(batch.seeds)
        images = [np.random.default_rng(seed).integers(0, 200, (8, 8, 3)) for seed in batch.seeds]
        drawn = np.array(images) + self.extra((len(images), 8, 8, 3))
        return self.drawn(drawn.astype(np.uint8))

    def drawn(self, images: Uint8Images) -> Drawn:
        no = np.zeros(len(images), bool)
        return Drawn(images, ~no, no, no.astype(np.int32))


def numpy_noise(shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    return np.random.randint(0, 50, shape)  # noqa: NPY002


def faint_noise(shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    """Less than the tolerance of float16."""
    return (torch.rand(shape) * 12).numpy()


def fixed_noise(shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    return np.random.default_rng(7).integers(0, 50, shape)


def system_noise(shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    return np.random.default_rng().integers(0, 50, shape)


def harmless(shape: tuple[int, ...]) -> int:
    torch.rand(1)
    return 0


@pytest.mark.parametrize("batch_size", [1, 2, 4])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("extra", "dtype", "message"),
    [
        (numpy_noise, "float32", "something draws from the shared stream of numpy"),
        (faint_noise, "float32", "something draws from the shared stream of torch"),
        (faint_noise, "float16", "something draws from the shared stream of torch"),
        (system_noise, "float32", "a random stream of its own"),
        (fixed_noise, "float32", "depends on its place in the batch"),
        (harmless, "float32", ""),
        (lambda shape: 0, "float16", ""),
    ],
)
def test_other_noise(
    extra: Callable[[tuple[int, ...]], Any],
    dtype: str,
    message: str,
    batch_size: int,
    compiled: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    run = a_run(dtype=dtype, batch_size=batch_size, compiled=compiled)
    painter = Painter(extra)
    if not message or (extra is fixed_noise and batch_size == 1):  # there is one place alone
        drawn = draw_repeatably(run, painter, {})  # type: ignore[arg-type]
        plain = Painter().generate(Batch((PROMPT,), (8,))).images[0]
        assert extra is fixed_noise or np.array_equal(drawn.images[0], plain)
    else:
        with pytest.raises(ModelError, match=f"card c with DDIMScheduler, 4 steps: .*{message}"):
            draw_repeatably(run, painter, {})  # type: ignore[arg-type]
    size = batch_size if compiled else min(2, batch_size)
    assert {len(seeds) for seeds in painter.batches} == {size}


@pytest.mark.parametrize("seeds", [(8, 9, 10, 11), tuple(range(2**32 - 4, 2**32))])
def test_whole_groups_change_places(seeds: tuple[int, ...]) -> None:
    painter = Painter()
    chosen = InterventionConfig(name="particle_guidance")
    draw_repeatably(a_run(intervention=chosen, batch_size=8, seeds=seeds), painter, {})  # type: ignore[arg-type]
    first, moved = painter.batches
    assert first[:4] == moved[4:] == seeds
    assert first[4:] == moved[:4]
    assert first[4] % 4 == 0
    assert max(first) < 2**32


class Blind(Painter):
    """Gives NaN for some seeds."""

    def __init__(self, *seeds: int) -> None:
        super().__init__()
        self.blind = seeds

    def drawn(self, images: Uint8Images) -> Drawn:
        drawn = super().drawn(images)
        return Drawn(
            images, ~np.isin(self.batches[-1], self.blind), drawn.flagged, drawn.truncated_tokens
        )


def test_images_that_are_not_finite() -> None:
    run = a_run(dtype="float16", scheduler_config={"rescale_betas_zero_snr": True})
    message = r"float16 and rescale_betas_zero_snr: True: .*NaN or infinity.*dtype float32"
    with pytest.raises(ModelError, match=message):
        draw_repeatably(run, Blind(8, 9), {})  # type: ignore[arg-type]
    assert not draw_repeatably(run, Blind(8), {}).finite[0]  # type: ignore[arg-type]


def test_a_batch_of_two_that_does_not_fit_is_drawn_as_one() -> None:
    def small(shape: tuple[int, ...]) -> int:
        if shape[0] > 1:
            raise torch.OutOfMemoryError("too many")
        return 0

    painter = Painter(small)
    draw_repeatably(a_run(), painter, {})  # type: ignore[arg-type]
    assert [len(seeds) for seeds in painter.batches] == [2, 1, 1]


# The shipped model, with noise in one of its networks


@pytest.fixture
def run(tmp_path: Path) -> Run:
    recipe = Recipe(
        name="r",
        card="seedling-mini",
        prompts={"source": "seedling"},
        seeds={"count": 2},
        batch_size=2,
        sampling={"num_inference_steps": 2},
    )
    files = resolve(find_card("seedling-mini"))
    run = Run.start(tmp_path / "run", recipe.run_configs(files)[""], recipe)
    run.grow([5, 6], [PROMPT])
    return run


@pytest.mark.parametrize("network", ["vae", "unet"])
def test_a_network_that_draws_noise(
    run: Run, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(run)
    layer = getattr(model, "pipe")  # noqa: B009 - families have no common attribute
    layer = layer.vae.post_quant_conv if network == "vae" else layer.unet.conv_in
    hook = layer.register_forward_hook(lambda _, __, out: out + 0.1 * torch.randn_like(out))
    monkeypatch.setattr("pipeline.drawing.stage.loading.load_model", lambda _: model)
    with pytest.raises(ModelError, match="draws from the shared stream of torch"):
        generate_stage(run).setup()
    assert not (run.root / CANARY_FILE).exists()
    hook.remove()
    generate_stage(run).setup()
    assert (run.root / CANARY_FILE).exists()
