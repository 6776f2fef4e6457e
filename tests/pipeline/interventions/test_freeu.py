"""FreeU: version 1 is diffusers' own, or the authors' written out, as version 2 is."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel, UNet2DModel

from pipeline.cards.card import Card, load_cards
from pipeline.errors import ModelError
from pipeline.interventions.freeu import FreeU, backbone_layers
from pipeline.settings.config import InterventionConfig
from tests.pipeline import tiny

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FACTORS = {"b1": 1.4, "b2": 1.6, "s1": 0.9, "s2": 0.2}


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("card"), load_cards()["seedling-mini"])


def unet(levels: tuple[int, ...] = (16, 32, 64, 64), layers: int = 2) -> UNet2DConditionModel:
    """Stable Diffusion 1.x in shape, its widths 320, 640, 1280, 1280 made small."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        cross = ("CrossAttnDownBlock2D",) * (len(levels) - 1)
        return UNet2DConditionModel(
            sample_size=16, in_channels=4, out_channels=4, block_out_channels=levels,
            layers_per_block=layers, norm_num_groups=8, cross_attention_dim=8, attention_head_dim=4,
            down_block_types=(*cross, "DownBlock2D"),
            up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * (len(levels) - 1)),
        ).eval()  # fmt: skip


@torch.no_grad()
def predicted(network: UNet2DConditionModel, size: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, size, size, generator=generator)
    text = torch.randn(2, 3, 8, generator=generator)
    found: torch.Tensor = network(x, 500, encoder_hidden_states=text).sample
    return found


def prepared(network: UNet2DConditionModel, **parameters: Any) -> FreeU:  # noqa: ANN401
    made = FreeU(parameters)
    made.prepare(SimpleNamespace(unet=network), SimpleNamespace(name="c"))  # type: ignore[arg-type]
    return made


def backbone_by_formula(h: np.ndarray, b: float) -> np.ndarray:
    """h[:, :C/2] times (b - 1) m + 1, m the channel mean min-max normalised per sample."""
    h = h.copy()
    for sample in h:
        m = sample.mean(axis=0)
        m = (m - m.min()) / (m.max() - m.min())
        sample[: len(sample) // 2] *= (b - 1) * m + 1
    return h


def constant_by_formula(h: np.ndarray, b: float) -> np.ndarray:
    """h[:, :C/2] times b."""
    factors = np.where(np.arange(h.shape[1]) < h.shape[1] // 2, b, 1.0)
    return np.asarray(h * factors[None, :, None, None])


def skip_by_formula(x: np.ndarray, s: float) -> np.ndarray:
    """The Fourier filter by the sums themselves: frequencies 0 and -1 of both axes times s."""
    rows, columns = x.shape[-2:]

    def waves(n: int) -> np.ndarray:
        return np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)

    spectrum = waves(rows) @ x @ waves(columns)
    for row in (0, rows - 1):
        for column in (0, columns - 1):
            spectrum[..., row, column] *= s
    back = waves(rows).conj() @ spectrum @ waves(columns).conj() / (rows * columns)
    return np.asarray(back.real)


def as_the_authors(
    network: UNet2DConditionModel,
    stages: dict[int, tuple[float, float]],
    change: Callable[[np.ndarray, float], np.ndarray] = backbone_by_formula,
) -> list[int]:
    """Replace the up blocks' forward: at each join, look at the backbone's width.

    Returns:
        The widths at which something was changed, filled in whenever the network is called.
    """
    changed: list[int] = []

    def forward_of(block: Any) -> Any:  # noqa: ANN401
        def forward(
            hidden_states: torch.Tensor,
            res_hidden_states_tuple: tuple[torch.Tensor, ...],
            temb: torch.Tensor | None = None,
            encoder_hidden_states: torch.Tensor | None = None,
            upsample_size: int | None = None,
            **_: object,
        ) -> torch.Tensor:
            h, skips = hidden_states, list(res_hidden_states_tuple)
            for place, resnet in enumerate(block.resnets):
                skip = skips.pop()
                if h.shape[1] in stages:
                    b, s = stages[h.shape[1]]
                    changed.append(h.shape[1])
                    h = torch.from_numpy(change(h.double().numpy(), b)).float()
                    skip = torch.from_numpy(skip_by_formula(skip.double().numpy(), s)).float()
                h = resnet(torch.cat([h, skip], dim=1), temb)
                if hasattr(block, "attentions"):
                    attention = block.attentions[place]
                    h = attention(
                        h, encoder_hidden_states=encoder_hidden_states, return_dict=False
                    )[0]
            for upsampler in block.upsamplers or ():
                h = upsampler(h, upsample_size)
            return h

        return forward

    for block in network.up_blocks:
        block.forward = forward_of(block)
    return changed


def test_version_1_is_diffusers_own(card: Card) -> None:
    settings = tiny.config(card)
    freeu = FreeU({"version": 1, **FACTORS})
    ours = tiny.model(card, settings, freeu).generate(tiny.batch()).images
    pipe = tiny.native(card, settings)
    pipe.enable_freeu(**FACTORS)
    arguments = {"num_inference_steps": 3, "guidance_scale": settings.guidance_scale}
    arguments["generator"] = [torch.Generator().manual_seed(seed) for seed in tiny.SEEDS]
    theirs = pipe(prompt=list(tiny.PROMPTS), output_type="pil", **arguments).images
    assert abs(ours.astype(int) - np.stack([np.asarray(i) for i in theirs])).max() <= 1
    plain = tiny.native_images(card, settings, tiny.batch())
    assert abs(ours.astype(int) - np.stack([np.asarray(i) for i in plain])).max() > 1


@pytest.mark.parametrize("size", [16, 24])
def test_version_2_agrees_with_the_formulas(size: int) -> None:
    first, second = unet(), unet()
    prepared(first, version=2, widths=[64, 32], **FACTORS)
    as_the_authors(second, {64: (1.4, 0.9), 32: (1.6, 0.2)})
    assert torch.allclose(predicted(first, size), predicted(second, size), atol=1e-5)


@pytest.mark.parametrize("size", [16, 24])
def test_version_1_of_the_authors_agrees_with_its_formula_at_7_and_3_places(size: int) -> None:
    first, second, diffusers_own = unet(), unet(), unet()
    prepared(first, version=1, code="authors", widths=[64, 32], **FACTORS)
    stages = {64: (FACTORS["b1"], FACTORS["s1"]), 32: (FACTORS["b2"], FACTORS["s2"])}
    changed = as_the_authors(second, stages, constant_by_formula)
    wanted = predicted(second, size)
    assert (changed.count(64), changed.count(32)) == (7, 3)
    assert torch.allclose(predicted(first, size), wanted, atol=1e-5)
    prepared(diffusers_own, version=1, **FACTORS)
    assert (predicted(diffusers_own, size) - wanted).abs().max() > 1e-3, "3 and 3 places"


def test_whose_version_1_is_part_of_the_run(card: Card) -> None:
    parameters = [{"version": 1, **FACTORS, **more} for more in ({}, {"code": "authors"})]
    chosen = [InterventionConfig(name="freeu", parameters=p).with_source() for p in parameters]
    assert chosen[0].identity() == {"name": "freeu", "parameters": parameters[0]}
    assert len({tiny.config(card, intervention=c).run_id for c in chosen}) == 2
    network = unet()
    made = prepared(network, version=1, code="authors", widths=[64, 32], **FACTORS)
    made.restore(SimpleNamespace(unet=network))
    assert torch.equal(predicted(network), predicted(unet()))


def test_another_version_or_stage_would_be_noticed() -> None:
    second = unet()
    as_the_authors(second, {64: (1.4, 0.9), 32: (1.6, 0.2)})
    wanted = predicted(second)
    version_1, authors_1, swapped, plain = unet(), unet(), unet(), unet()
    prepared(version_1, version=1, **FACTORS)
    prepared(authors_1, version=1, code="authors", widths=[64, 32], **FACTORS)
    prepared(swapped, version=2, widths=[32, 64], **FACTORS)
    for wrong in (version_1, authors_1, swapped, plain):
        assert (predicted(wrong) - wanted).abs().max() > 1e-3


def test_the_two_stage_rules_touch_other_places() -> None:
    """By width 7 and 3 places of Stable Diffusion, by up block 3 and 3."""
    network = unet()
    widths = [width for _, width in backbone_layers(network)]
    assert (widths.count(64), widths.count(32)) == (7, 3)
    by_block = [len(block.resnets) for block in network.up_blocks[:2]]
    assert by_block == [3, 3]
    made = prepared(network, version=2, widths=[64, 32], **FACTORS)
    assert len(made._hooks) == 10


@pytest.mark.parametrize("name", FACTORS)
def test_a_zero_is_refused_because_it_switches_off(name: str) -> None:
    for version in (1, 2):
        with pytest.raises(ValueError, match=f"{name} is 0; .* silently switches FreeU off"):
            FreeU({"version": version, **FACTORS, name: 0})
    network = unet()
    plain = predicted(network)
    network.enable_freeu(**(FACTORS | {name: 0}))
    assert torch.equal(predicted(network), plain), "what the refusal is for"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "version is None"),
        ({"version": 3}, "version is 3"),
        ({"version": True, **FACTORS}, "version is True"),
        ({"version": 1, "code": "author", **FACTORS}, "code is 'author'; .*diffusers or authors"),
        ({"version": 2, "code": "diffusers", **FACTORS}, "code is 'diffusers'.*wanted authors"),
        ({"version": 2}, "b1 is None"),
        ({"version": 1, "preset": "sd1.5"}, "no preset 'sd1.5'"),
        ({"version": 1, "preset": "sd1.4", "widths": [64, 32]}, "belong to the authors' code"),
        ({"version": 2, **FACTORS, "s2": float("nan")}, "s2 is nan"),
        ({"version": 2, **FACTORS, "s2": True}, "s2 is True"),
    ],
)
def test_wrong_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FreeU(parameters)


@pytest.mark.parametrize(
    "widths", [[128, 128], ["a", 128], [128, 0], [128, 64.0], [64], [64, 32, 16], 64, "64"]
)
def test_widths_that_are_not_two_different_ones(widths: object) -> None:
    with pytest.raises(ValueError, match="wanted two different whole numbers above 0"):
        FreeU({"version": 2, **FACTORS, "widths": widths})


def test_one_missing_width_is_refused_because_its_stage_would_do_nothing() -> None:
    network = unet()
    with pytest.raises(ModelError, match=r"is 999 channels wide, only 64, 32, 16"):
        prepared(network, version=2, widths=[64, 999], **FACTORS)
    assert torch.equal(predicted(network), predicted(unet())), "nor is half of it put on"
    assert len(prepared(network, version=2, widths=[64, 32], **FACTORS)._hooks) == 10


def simple(**more: Any) -> UNet2DConditionModel:  # noqa: ANN401
    """Up blocks as Kandinsky's and DeepFloyd IF's."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UNet2DConditionModel(**{
            "sample_size": 16, "in_channels": 4, "out_channels": 4, "block_out_channels": (16, 32),
            "layers_per_block": 1, "norm_num_groups": 8, "cross_attention_dim": 8,
            "attention_head_dim": 4,
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"), **more,
        }).eval()  # fmt: skip


def test_version_1_is_refused_where_diffusers_would_do_nothing() -> None:
    network = simple()
    plain = predicted(network)
    network.enable_freeu(**FACTORS)
    assert torch.equal(predicted(network), plain), "what the refusal is for"
    with pytest.raises(ModelError, match=r"with ResnetUpsampleBlock2D, SimpleCrossAttnUpBlock2D"):
        prepared(simple(), version=1, **FACTORS)
    half = simple(up_block_types=("UpBlock2D", "SimpleCrossAttnUpBlock2D"))
    with pytest.raises(ModelError, match=r"no effect on .* with UpBlock2D, SimpleCross"):
        prepared(half, version=1, **FACTORS)
    unconditional = UNet2DModel(
        sample_size=8, block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip
    with pytest.raises(ModelError, match="a UNet2DModel with UpBlock2D, UpBlock2D"):
        prepared(unconditional, version=1, **FACTORS)  # type: ignore[arg-type]
    changed = unet()
    prepared(changed, version=1, **FACTORS)
    assert not torch.equal(predicted(changed), predicted(unet()))


def test_a_network_without_the_widths_is_refused() -> None:
    with pytest.raises(ModelError, match=r"1280 or 640 channels wide, only 64, 32, 16"):
        prepared(unet(), version=2, preset="sd2.1")


def test_a_model_without_a_unet_is_refused() -> None:
    pipe: Any = SimpleNamespace(transformer=object())
    with pytest.raises(ModelError, match="no UNet"):
        FreeU({"version": 1, **FACTORS}).prepare(pipe, SimpleNamespace(name="c"))  # type: ignore[arg-type]


def test_a_flat_map_changes_nothing() -> None:
    from pipeline.interventions.freeu import stronger

    flat = torch.full((1, 4, 2, 2), 3.0)
    assert torch.equal(stronger(flat, 1.6), flat)
