"""The models that are timed on a GPU have their published sizes; the timing works on small ones."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import gpu
from benchmarks.gpu_models import SUBJECTS, Subject, clip_texts, random

PARAMETERS = {
    "sd2-base": 865.9e6,
    "sdxl-turbo": 2567.5e6,
    "sd35-large": 8.1e9,
    "z-image-turbo": 6.15e9,
    "flux2-klein": 3.88e9,
    "qwen-image": 20.4e9,
}
"""Parameters of the denoisers as published: 866 M, 2.6 B, 8 B, 6 B, 4 B and 20 B."""


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_denoiser_has_the_published_size(name: str) -> None:
    subject = SUBJECTS[name]
    with torch.device("meta"):
        network = subject.network(subject.denoiser)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == pytest.approx(PARAMETERS[name], rel=0.01)


def test_the_operations_of_stable_diffusion_2_are_counted() -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        unet: Any = SUBJECTS["sd2-base"].network("unet")
        unet(torch.zeros(1, 4, 64, 64), torch.zeros(1), torch.zeros(1, 77, 1024))
    # 418.4 in convolutions, 259.8 in linear layers, 126.1 in attention, in 1e9.
    assert counter.get_total_flops() / 1e9 == pytest.approx(418.4 + 259.8 + 126.1, abs=0.2)


UNET = {
    "sample_size": 8, "block_out_channels": (32, 32), "layers_per_block": 1, "norm_num_groups": 8,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "attention_head_dim": 8,
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "cross_attention_dim": 32,
}  # fmt: skip
XL = {
    "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 16,
}  # fmt: skip
VAE = {
    "block_out_channels": (8,) * 4, "norm_num_groups": 2, "latent_channels": 4, "sample_size": 64,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip
VAE_16 = {**VAE, "latent_channels": 16, "shift_factor": 0.1}
SMALL: dict[str, tuple[dict[str, Any], Callable[[int], dict[str, Any]]]] = {
    "sd2-base": ({"unet": UNET, "vae": VAE}, clip_texts(32)),
    "sdxl-turbo": (
        {"unet": UNET | XL, "vae": VAE},
        lambda n: {"prompt_embeds": random(n, 77, 32), "pooled_prompt_embeds": random(n, 16)},
    ),
    "sd35-large": (
        {
            "transformer": {
                "sample_size": 8, "patch_size": 1, "in_channels": 16, "num_layers": 1,
                "attention_head_dim": 8, "num_attention_heads": 4, "caption_projection_dim": 32,
                "joint_attention_dim": 32, "pooled_projection_dim": 64, "out_channels": 16,
            },
            "vae": VAE_16,
        },
        lambda n: {
            "prompt_embeds": random(n, 9, 32), "negative_prompt_embeds": random(n, 9, 32),
            "pooled_prompt_embeds": random(n, 64), "negative_pooled_prompt_embeds": random(n, 64),
        },
    ),
    "z-image-turbo": (
        {
            "transformer": {
                "dim": 32, "n_layers": 1, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2,
                "cap_feat_dim": 16, "axes_dims": [4, 6, 6], "axes_lens": [1024, 64, 64],
            },
            "vae": VAE_16,
        },
        lambda n: {"prompt_embeds": [random(8, 16) for _ in range(n)]},
    ),
    "flux2-klein": (
        {
            "transformer": {
                "in_channels": 128, "num_layers": 1, "num_single_layers": 1,
                "attention_head_dim": 16, "num_attention_heads": 2, "joint_attention_dim": 48,
                "axes_dims_rope": (4, 4, 4, 4), "guidance_embeds": False,
            },
            "vae": {
                "latent_channels": 32, "block_out_channels": (8,) * 4, "norm_num_groups": 2,
                "layers_per_block": 1, "mid_block_add_attention": False,
            },
        },
        lambda n: {"prompt_embeds": random(n, 9, 48)},
    ),
    "qwen-image": (
        {
            "transformer": {
                "num_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
                "joint_attention_dim": 48, "axes_dims_rope": (4, 6, 6),
            },
            "vae": {"base_dim": 8, "z_dim": 16, "dim_mult": [1, 1, 1, 1]},
        },
        lambda n: {
            "prompt_embeds": random(n, 9, 48),
            "prompt_embeds_mask": torch.ones(n, 9, dtype=torch.long),
        },
    ),
}  # fmt: skip
"""Model -> the configs of small networks of its classes, and its texts."""


def small(name: str, steps: int = 2) -> Subject:
    """A subject with small networks and few steps."""
    subject, (configs, texts) = SUBJECTS[name], SMALL[name]
    networks = {key: (subject.networks[key][0], config) for key, config in configs.items()}
    call = {**subject.call, "num_inference_steps": steps}
    return dataclasses.replace(subject, networks=networks, size=64, call=call, embeddings=texts)


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_each_model_draws(name: str) -> None:
    """With seeds of its own for each image, as goldenseed draws."""
    subject = small(name)
    pipe = subject.build(torch.device("cpu"), torch.float32)
    shape = gpu.latents_shape(pipe, subject.size)
    images = gpu.Side(subject, pipe, 2, shape)()
    assert images.shape == (2, 3, 64, 64)
    assert images.isfinite().all()
    assert not torch.equal(images[0], images[1])


def test_a_small_model_is_timed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = small("sd2-base")
    compiled: list[str] = []
    monkeypatch.setattr(
        diffusers.UNet2DConditionModel, "compile", lambda *_, **__: compiled.append("unet")
    )
    cpu = torch.device("cpu")
    figures = gpu.measure(subject, cpu, "float32", batch=2, pairs=1)
    assert min(figures.loop, figures.batched, figures.ours, figures.tflop) > 0
    assert 0 < figures.decode < 1
    assert figures.busy is None
    assert compiled == ["unet"]
    rate = gpu.matrix_rate(cpu, torch.float32, side=64)
    code = gpu.tell("sd2-base", figures, rate, 2, 1)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["utilisation"] == pytest.approx(figures.ours * figures.tflop * 1e12 / rate)
    assert code == (0 if line["utilisation"] >= 0.5 else 1)


def test_more_work_counts_as_more_operations() -> None:
    def counted(steps: int) -> float:
        subject = small("sd2-base", steps)
        side = gpu.Side(subject, subject.build(torch.device("cpu"), torch.float32), 1, (4, 8, 8))
        with FlopCounterMode(display=False) as counter:
            images = side()
        assert images.shape == (1, 3, 64, 64)
        return counter.get_total_flops()

    one, two, three = counted(1), counted(2), counted(3)
    assert three - two == two - one > 0


def test_without_a_gpu_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "found no GPU" in capsys.readouterr().err
