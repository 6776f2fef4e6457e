"""InstantID against the authors' method written a second time, and what its conditions are for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from pipeline.batch import Batch
from pipeline.cards.card import Card, resolve
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.instantid import InstantId
from tests.pipeline import tiny, tiny_instantid

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny_instantid.checkpoint(tmp_path_factory.mktemp("instantid"))


@pytest.fixture(scope="module")
def model(card: Card) -> InstantId:
    return load(card)


def load(card: Card, **changes: Any) -> InstantId:  # noqa: ANN401
    return InstantId(card, resolve(card), tiny.config(card, **changes), Intervention({}))


def worst(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


class FaceAttention:
    """The authors' cross-attention: the face's tokens come behind the text's."""

    def __init__(self, weights: Mapping[str, Tensor], number: int, scale: float) -> None:
        self.key, self.value = (weights[f"{number}.to_{n}_ip.weight"] for n in "kv")
        self.scale = scale

    def __call__(
        self,
        attn: Any,  # noqa: ANN401
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        **_: object,
    ) -> Tensor:
        text, face = encoder_hidden_states[:, :-16], encoder_hidden_states[:, -16:]
        query = attn.to_q(hidden_states)
        read = self.attend(attn, query, attn.to_k(text), attn.to_v(text))
        read = read + self.scale * self.attend(attn, query, face @ self.key.T, face @ self.value.T)
        out: Tensor = attn.to_out[0](read)
        return out

    def attend(self, attn: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # noqa: ANN401
        q, k, v = (x.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for x in (query, key, value))
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(2)


@torch.no_grad()
def by_hand(
    card: Card,
    cells: Batch,
    *,
    text_for_face: bool = False,
    scale: float = 0.8,
    guidance: float = 5,
) -> np.ndarray:
    """A cell at a time: what the authors' pipeline does, without theirs or ours."""
    saved = torch.load(Path(card.path) / "ip-adapter.bin", weights_only=True)
    resampler = tiny_instantid.Resampler()
    resampler.load_state_dict(saved["image_proj"])
    pipe = StableDiffusionXLPipeline.from_pretrained(card.path, add_watermarker=False)
    net = ControlNetModel.from_pretrained(Path(card.path) / "identity" / "ControlNetModel")
    pipe.unet.set_attn_processor({
        name: FaceAttention(saved["ip_adapter"], number, scale) if "attn2" in name else old
        for number, (name, old) in enumerate(pipe.unet.attn_processors.items())
    })  # fmt: skip
    images = []
    for prompt, seed in zip(cells.prompts, cells.seeds, strict=True):
        face = torch.from_numpy(np.array(cells.condition_images[str(prompt.mask)]))
        points = torch.from_numpy(np.array(cells.condition_images[str(prompt.image)]))
        points = points.permute(2, 0, 1)[None] / 255
        yes, no, pooled, no_pooled = pipe.encode_prompt(prompt.text, device="cpu")
        size = torch.tensor([[64, 64, 0, 0, 64, 64]])
        states = [
            (yes, pooled, resampler(face)),
            (no, no_pooled, resampler(torch.zeros_like(face))),
        ]
        own = torch.Generator().manual_seed(seed)
        pipe.scheduler.set_timesteps(3)
        x = torch.randn(1, 4, 8, 8, generator=own) * pipe.scheduler.init_noise_sigma
        for t in pipe.scheduler.timesteps:
            seen = pipe.scheduler.scale_model_input(x, t)
            found = []
            for text, pool, tokens in states:
                added = {"text_embeds": pool, "time_ids": size}
                read = text if text_for_face else tokens
                down, middle = net(
                    seen, t, encoder_hidden_states=read, controlnet_cond=points,
                    conditioning_scale=0.8, added_cond_kwargs=added, return_dict=False,
                )  # fmt: skip
                found.append(pipe.unet(
                    seen, t, torch.cat([text, tokens], 1), added_cond_kwargs=added,
                    down_block_additional_residuals=down, mid_block_additional_residual=middle,
                ).sample)  # fmt: skip
            e = found[1] + guidance * (found[0] - found[1]) if guidance > 1 else found[0]
            x = pipe.scheduler.step(e, t, x, generator=own).prev_sample
        pixels = pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample
        images.append(((pixels / 2 + 0.5).clamp(0, 1) * 255).round()[0].permute(1, 2, 0).numpy())
    return np.stack(images)


def test_equals_the_authors_method(card: Card, model: InstantId) -> None:
    drawn = model.generate(tiny_instantid.cells())
    assert drawn.images.shape == (4, tiny.SIZE, tiny.SIZE, 3)
    assert drawn.finite.all()
    assert worst(drawn.images, by_hand(card, tiny_instantid.cells())) <= 1
    wrong = by_hand(card, tiny_instantid.cells(), text_for_face=True)
    assert worst(drawn.images, wrong) > 1, "IdentityNet reads the face, not the text"
    assert worst(drawn.images, by_hand(card, tiny_instantid.cells(), scale=1)) > 1


def test_without_guidance(card: Card) -> None:
    drawn = load(card, guidance_scale=1.0).generate(tiny_instantid.cells())
    assert worst(drawn.images, by_hand(card, tiny_instantid.cells(), guidance=1)) <= 1


def test_an_image_depends_on_its_own_cell_only(model: InstantId) -> None:
    images = model.generate(tiny_instantid.cells()).images
    with torch.random.fork_rng():
        torch.manual_seed(999)
        state = torch.get_rng_state()
        assert worst(images, model.generate(tiny_instantid.cells()).images) == 0
        assert torch.equal(state, torch.get_rng_state()), "no global random numbers"
    turned = model.generate(tiny_instantid.cells((3, 2, 1, 0))).images[::-1]
    assert worst(images, turned) <= 1
    assert worst(images[2:3], model.generate(tiny_instantid.cells((2,))).images) <= 1
    assert worst(images[:1], images[2:3]) > 1, "another seed gives another image"


@pytest.mark.parametrize("keys", [tiny_instantid.IMAGES, tiny_instantid.FACES])
def test_a_condition_is_its_own_cells(model: InstantId, keys: tuple[str, str]) -> None:
    batch, (one, two) = tiny_instantid.cells(), keys
    images = model.generate(batch).images
    only = {**batch.condition_images, two: batch.condition_images[one]}
    other = model.generate(Batch(batch.prompts, batch.seeds, only)).images
    mine = [i for i, p in enumerate(batch.prompts) if one in (p.image, p.mask)]
    assert worst(images[mine], other[mine]) == 0, "another cell's condition changes nothing"
    theirs = [i for i in range(4) if i not in mine]
    assert all(worst(images[i : i + 1], other[i : i + 1]) > 0 for i in theirs)


def test_a_face_of_another_recogniser_is_refused(model: InstantId) -> None:
    batch = tiny_instantid.cells()
    short = Image.fromarray(np.ones((1, 128), np.float32))
    faces = {**batch.condition_images, **dict.fromkeys(tiny_instantid.FACES, short)}
    with pytest.raises(ModelError, match="128 numbers; the card's resampler reads 512"):
        model.generate(Batch(batch.prompts, batch.seeds, faces))


@pytest.mark.parametrize(
    ("part", "named"), [("identity_net", "ControlNet"), ("face_adapter", "face adapter")]
)
def test_a_missing_part_is_named(card: Card, part: str, named: str) -> None:
    parts = {name: one for name, one in card.parts.items() if name != part}
    with pytest.raises(ModelError, match=named):
        load(card.model_copy(update={"parts": parts}))


def test_missing_scales_are_named(card: Card) -> None:
    (stage,) = card.stages
    silent = stage.model_copy(update={"arguments": {}})
    with pytest.raises(ModelError, match="ip_adapter_scale"):
        load(card.model_copy(update={"stages": (silent,)}))
