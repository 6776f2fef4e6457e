"""Test the ControlNet: it starts as a copy of the encoder half without effect, and learns."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from diffusers import (
    ControlNetModel,
    StableDiffusionControlNetPipeline,
)
from PIL import Image

from pipeline.batch import Batch
from pipeline.cards.card import find_card, resolve
from pipeline.interventions.base import Intervention
from pipeline.models.diffusers_pipeline import DiffusersPipeline
from pipeline.models.stable_diffusion import StableDiffusion
from pipeline.prompts.prompt_sets import Prompt
from seedling.learning.batches import EMPTY_RATE
from seedling.learning.conditions import control_images
from seedling.learning.relatives import Base, publish
from seedling.networks.text_to_image import new_pipe
from seedling.randomness import make_generator
from seedling.train.control import (
    EMBEDDING,
    SILENT_RATE,
    control_loss,
    make_scenes,
    new_controlnet,
    train,
    training_prompts,
)
from tests.pipeline import tiny
from tests.seedling import tiny_base

PROMPTS = ["a red horse on a beach", "a cat"]


def call(pipe: Any, **more: Any) -> torch.Tensor:  # noqa: ANN401 - diffusers is untyped
    pipe.set_progress_bar_config(disable=True)
    generators = [make_generator(seed) for seed in (1, 2)]
    drawn = pipe(PROMPTS, num_inference_steps=2, generator=generators, output_type="latent", **more)
    return torch.as_tensor(drawn.images)


def controlled(base: Base, controlnet: Any) -> torch.Tensor:  # noqa: ANN401
    networks = base.networks
    pipe = StableDiffusionControlNetPipeline(
        base.vae, networks.text_encoder, networks.tokenizer, networks.unet, controlnet,
        networks.scheduler, None, None, requires_safety_checker=False,
    )  # fmt: skip
    edges = torch.zeros(2, 64, 64, dtype=torch.bool)
    edges[:, 20:40, 20:40] = True
    return call(pipe, image=control_images(edges))


def test_an_untrained_controlnet_changes_nothing(base: Base, tmp_path: Path) -> None:
    publish({"controlnet": new_controlnet(base.networks.unet)}, tmp_path / "control")
    loaded = ControlNetModel.from_pretrained(tmp_path / "control" / "controlnet").float()
    expected = call(new_pipe(base.vae, base.networks, scale=base.scale))
    assert torch.equal(controlled(base, loaded), expected)
    torch.nn.init.constant_(loaded.controlnet_mid_block.weight, 0.1)
    assert not torch.allclose(controlled(base, loaded), expected, atol=1e-2)


def middle(network: Any, **more: Any) -> torch.Tensor:  # noqa: ANN401
    """Output of the middle block of a network for a fixed noise."""
    outputs: list[torch.Tensor] = []
    handle = network.mid_block.register_forward_hook(lambda *given: outputs.append(given[-1]))
    noisy = torch.randn(2, 16, 8, 8, generator=make_generator(1))
    states = torch.randn(2, 24, 128, generator=make_generator(2))
    with torch.no_grad():
        network(noisy, 500, encoder_hidden_states=states, **more)
    handle.remove()
    return outputs[0]


def test_it_is_a_copy_of_the_encoder_half_text_included(base: Base) -> None:
    unet, condition = base.networks.unet, {"controlnet_cond": torch.zeros(2, 3, 64, 64)}
    assert torch.equal(middle(new_controlnet(unet), **condition), middle(unet))
    theirs = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=EMBEDDING)
    assert not torch.allclose(middle(theirs, **condition), middle(unet), atol=1e-3)


def test_more_prompts_are_empty_than_in_the_seedlings_training() -> None:
    prompts = training_prompts(
        torch.zeros(4_000, 4, dtype=torch.int64), generator=make_generator(1)
    )
    empty = sum(not prompt for prompt in prompts) / len(prompts)
    assert empty == pytest.approx(1 - (1 - EMPTY_RATE) * (1 - SILENT_RATE), abs=0.03)


def test_it_learns_and_leaves_the_seedling(base: Base, tmp_path: Path) -> None:
    scenes = make_scenes(base, 32, seed=11)
    before = {name: value.clone() for name, value in base.networks.unet.state_dict().items()}

    def loss(network: Any) -> float:  # noqa: ANN401
        with torch.no_grad():
            return float(control_loss(base, network, scenes, make_generator(0)))

    trained = train(base, tiny_base.settings(tmp_path, steps=30))
    assert loss(trained) < 0.98 * loss(new_controlnet(base.networks.unet))
    assert tiny_base.same(before, base.networks.unet.state_dict())
    assert all(value.grad is None for value in base.networks.unet.parameters())


def test_an_interrupted_training_resumes(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted, resumed, half_way = tiny_base.interrupted_and_not(
        lambda settings: train(base, settings), tmp_path, monkeypatch
    )
    assert tiny_base.same(uninterrupted, resumed)
    assert not tiny_base.same(uninterrupted, half_way)


def test_a_card_names_the_shared_parts(base: Base, base_folder: Path, tmp_path: Path) -> None:
    publish({"controlnet": new_controlnet(base.networks.unet)}, tmp_path / "control")
    part = {
        "use": "component",
        "component": "controlnet",
        "kind": "diffusers:ControlNetModel",
        "path": str(tmp_path / "control"),
        "subfolder": "controlnet",
    }
    stage = {
        "pipeline": "StableDiffusionControlNetPipeline",
        "inputs": {"prompt": "text", "negative_prompt": "negative", "image": "image"},
        "tokenizer": "tokenizer",
    }
    fields = find_card("seedling-mini").model_dump(mode="json", exclude={"name"})
    fields |= {"path": str(base_folder), "family": "diffusers_pipeline", "stages": [stage]}
    fields |= {"parts": {"outline": part}, "conditions": {"image": "same"}}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(fields))
    card = find_card(str(tmp_path / "card.yaml"))
    config, files = tiny.config(card, num_inference_steps=2), resolve(card)
    prompts = tuple(Prompt(text, image="1" * 64) for text in PROMPTS)
    image = Image.new("RGB", (64, 64), "white")
    batch = Batch(prompts, (1, 2), {"1" * 64: image})
    ours = DiffusersPipeline(card, files, config, Intervention({}))
    plain = StableDiffusion(card, files, config, Intervention({}))
    expected = torch.from_numpy(plain.generate(batch).images).int()
    silent = torch.from_numpy(ours.generate(batch).images).int()
    assert int((silent - expected).abs().max()) <= 1
    torch.nn.init.constant_(ours.pipe.controlnet.controlnet_mid_block.weight, 1.0)
    speaking = torch.from_numpy(ours.generate(batch).images).int()
    assert int((speaking - expected).abs().max()) > 1
