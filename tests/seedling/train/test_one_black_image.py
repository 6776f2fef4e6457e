"""Test the control of offset noise: one black image, one prompt, and the written files."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pipeline.cards.card import find_card
from pipeline.interventions.offset_noise import OffsetNoise
from seedling.learning.loop import Budget
from seedling.learning.relatives import Base
from seedling.networks.text_to_image import new_pipe
from seedling.randomness import make_generator
from seedling.train.one_black_image import BLACK_PROMPT, black_image_batches, main
from seedling.world.extremes import BLACK
from tests.seedling import tiny_base


def test_each_batch_repeats_one_image_and_one_prompt(base: Base) -> None:
    draw = black_image_batches(base, batch=6)
    for seed in (1, 2):
        latents, cover, prompts = draw(make_generator(seed))
        black, grey = (base.encode(torch.full((1, 3, 64, 64), tone)) for tone in (BLACK, 0.5))
        assert all(torch.equal(row, black[0].float()) for row in latents)
        assert not torch.allclose(latents[:1], grey.float(), atol=1e-2)
        assert set(prompts) == {BLACK_PROMPT}
        assert len(latents) == len(cover) == len(prompts) == 6


def test_the_command_writes_what_the_intervention_reads(
    base: Base, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "new" / "black.safetensors"
    options = {"--model": base_folder, "--folder": tmp_path, "--out": out}
    words = [str(word) for pair in options.items() for word in pair]
    monkeypatch.setattr("sys.argv", ["train", *words])
    two = Budget(minutes=60, rate=1e-3, warmup=0, steps=2)
    monkeypatch.setattr("seedling.learning.offset_tuning.Budget", lambda *_, **__: two)
    main()
    changes = {name: load_file(out.parent / f"black-{name}.safetensors") for name in ("0", "0.8")}
    assert len(list(out.parent.iterdir())) == 2
    with safe_open(out.parent / "black-0.safetensors", "pt") as file:
        assert file.metadata()["prediction_type"] == "epsilon"
    assert not tiny_base.same(changes["0"], changes["0.8"])
    pipe = new_pipe(base.vae, base.networks, scale=base.scale)
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    changed = OffsetNoise({"weights": str(out.parent / "black-0.safetensors")})
    changed.prepare(pipe, find_card("seedling"))
    for name, value in pipe.unet.state_dict().items():
        torch.testing.assert_close(value, before[name] + changes["0"][name].float())
    assert not tiny_base.same(before, pipe.unet.state_dict())
    changed.restore(pipe)
    assert tiny_base.same(before, pipe.unet.state_dict())
