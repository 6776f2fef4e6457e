"""Every intervention on a tiny card of every family and design: it works, or says that it cannot.

What it cannot work with it refuses while the model is loaded, before the first image; where it
works, the images differ from the baseline's, so no change is left out silently.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.batch import Batch
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ModelError
from pipeline.interventions import INTERVENTIONS
from pipeline.interventions.base import Intervention
from pipeline.interventions.none import NoIntervention
from pipeline.models import MODELS
from pipeline.registry import load
from tests.contracts import test_family_contract as families
from tests.contracts.words import unlisted
from tests.pipeline import native_calls, tiny, tiny_pipelines, tiny_singdiffusion

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
# Its adapter pipeline calls a method of its own that it has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The decode_latents method:FutureWarning"),
]

OF_PIPELINES = (
    "sdxl-base", "ldm-text2im", "ddpm-cat", "dit", "t2i-adapter-color", "ip-adapter",
    "kandinsky22", "stable-unclip", "deepfloyd-if", "sd35-large", "flux-dev", "pixart-alpha",
)  # fmt: skip
"""Cards of the family `diffusers_pipeline`, one per design."""
OTHERS = ("sd2-inpainting", "sd2-base-inpainting", "text-to-video-ms", "glide", "instantid")
"""Cards of the families with a file of their own."""
CARDS = ("seedling-mini", *OF_PIPELINES, *OTHERS)

HERE = "tests/contracts/test_intervention_families.py"
FREEU = {"b1": 1.4, "b2": 1.6, "s1": 0.9, "s2": 0.2}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "freeu, version 1": {"version": 1, **FREEU},
    "freeu, version 1 of the authors": {
        "version": 1,
        "code": "authors",
        "widths": [32, 16],
        **FREEU,
    },
    "freeu, version 2": {"version": 2, "widths": [32, 16], **FREEU},
    "offset_noise": {},
    "particle_guidance": {"coefficient": 2000},
    "seed_blend": {"seed": 99, "strength": 0.4},
    "seed_plant": {"strengths": [0.4], "one_in": 1},
    "seed_scramble": {},
    "seed_swap": {"seed": 99, "step": 1},
    "singdiffusion": {},
    "stage_seed": {"stage": 0, "seed": 99},
    "zero_snr": {},
}
"""Intervention, and what tells two of its ways apart -> parameters; paths come later."""
ALL = frozenset(CARDS)
UNETS = ALL - {"dit", "sd35-large", "flux-dev", "pixart-alpha"}
GIVEN_NOISE = ALL & {
    "seedling-mini", "ldm-text2im", "t2i-adapter-color", "ip-adapter", "sd2-inpainting",
    "sd2-base-inpainting",
}  # fmt: skip
"""DDIM, and the starting noise comes from us."""
WORKS: Mapping[str, frozenset[str]] = {
    "freeu, version 1": UNETS - {"ddpm-cat", "kandinsky22", "deepfloyd-if"},
    # The others' tiny UNets have other widths.
    "freeu, version 1 of the authors": UNETS - {"kandinsky22", "text-to-video-ms", "glide"},
    "freeu, version 2": UNETS - {"kandinsky22", "text-to-video-ms", "glide"},
    "offset_noise": UNETS,
    "particle_guidance": GIVEN_NOISE,
    "seed_blend": GIVEN_NOISE
    | {"sdxl-base", "sd35-large", "flux-dev", "pixart-alpha"}
    | {"text-to-video-ms", "glide", "instantid"},
    "seed_plant": ALL,
    "seed_scramble": ALL,
    "seed_swap": ALL & {"seedling-mini", "ip-adapter"},
    "singdiffusion": GIVEN_NOISE,
    "stage_seed": ALL & {"kandinsky22", "deepfloyd-if"},
    "zero_snr": ALL & {"seedling-mini", "ip-adapter"},
}
"""Intervention and way -> the cards on which it works; on the others it is refused."""
RUNS: Mapping[str, Mapping[str, Any]] = {"seed_swap": {"eta": 1.0}}
"""What an intervention wants of a run."""


@dataclass
class OnCard:
    """A tiny card under its name, what it draws without intervention, and weights for it."""

    name: str
    card: Card
    folder: Path
    baselines: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def plain(self) -> Any:  # noqa: ANN401 - families have no common type
        """The loaded family, with nothing changed."""
        return self.model("none", NoIntervention({}))

    def model(self, name: str, intervention: Intervention) -> Any:  # noqa: ANN401
        """The loaded family, with the card and the run that the named intervention wants."""
        card = self.card
        if name == "zero_snr":
            predicts = {**card.scheduler_config, "prediction_type": "v_prediction"}
            card = card.model_copy(update={"scheduler_config": predicts})
        size = {"height": card.height, "width": card.width}
        settings = tiny.config(card, **size, **RUNS.get(name, {}))
        family = load(MODELS, card.family, "model family")
        return family(card, resolve(card), settings, intervention)

    def cells(self) -> Batch:
        """A group: one prompt, four seeds."""
        made = families.CELLS.get(self.card.family, lambda: native_calls.cells(self.card))()
        return replace(made, prompts=made.prompts[:1] * 4, seeds=(4, 5, 6, 7))

    def baseline(self, name: str) -> np.ndarray:
        """The images without it, of the card and the run that it wants."""
        own = name in RUNS or name == "zero_snr"
        key = name if own else "none"
        if key not in self.baselines:
            model = self.model(name, NoIntervention({})) if own else self.plain
            self.baselines[key] = model.generate(self.cells()).images
        return self.baselines[key]

    def weights(self, name: str) -> dict[str, str]:
        """Parameters that name weights, which fit the card where any could."""
        if name == "singdiffusion":
            return singdiffusion(self.folder, self.card.latent_channels)
        if name == "offset_noise":
            return self._difference()
        return {}

    def _difference(self) -> dict[str, str]:
        pipe, file = self.plain.pipe, self.folder / "difference.safetensors"
        state = pipe.unet.state_dict() if hasattr(pipe, "unet") else {"conv_in.bias": torch.ones(1)}
        # On a CPU layers are wrapped in the meantime.
        plain = {name.replace(".module.", "."): 0.1 * weight for name, weight in state.items()}
        save_file(plain, file)
        return {"weights": str(file)}


def singdiffusion(folder: Path, channels: int) -> dict[str, str]:
    return dict(tiny_singdiffusion.parameters(folder / "singdiffusion", channels=channels))


def build(name: str, folder: Path) -> Card:
    if name in OTHERS:
        return families.BUILDERS[name](folder)
    make: Callable[[Path, Card], Card] = tiny.checkpoint
    if name in OF_PIPELINES:
        make = tiny_pipelines.checkpoint
    return make(folder, load_cards()[name])


@pytest.fixture(scope="module", params=CARDS)
def on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OnCard:
    folder = tmp_path_factory.mktemp("card")
    return OnCard(request.param, build(request.param, folder), folder)


def test_every_family_and_intervention_is_here() -> None:
    families_here = {load_cards()[name].family for name in CARDS}
    table = f"CARDS ({HERE}), a card of each family"
    wrong = unlisted("model family", MODELS, families_here, table=table)
    assert not wrong, wrong
    named = {way.split(",")[0] for way in WAYS}
    table = f"WAYS ({HERE}), its parameters"
    wrong = unlisted("intervention", {*INTERVENTIONS} - {"none"}, named, table=table)
    assert not wrong, wrong
    table = f"WORKS ({HERE}), the cards on which it works"
    wrong = unlisted("intervention", WAYS, WORKS, table=table)
    assert not wrong, wrong


def is_refused(on: OnCard, name: str, intervention: Intervention) -> bool:
    try:
        on.model(name, intervention)
    except ModelError:
        return True
    return False


@pytest.mark.parametrize("way", WAYS)
def test_it_changes_the_images_or_is_refused_beforehand(on: OnCard, way: str) -> None:
    name = way.split(",")[0]
    kind = load(INTERVENTIONS, name, "intervention", base=Intervention)
    intervention = kind({**WAYS[way], **on.weights(name)})
    if on.name not in WORKS[way]:
        assert is_refused(on, name, intervention), (
            f"{way} is not refused on {on.name}: raise a ModelError in `check` or `prepare`, or, "
            f"if it works, name {on.name} in WORKS ({HERE})"
        )
        return
    drawn = on.model(name, intervention).generate(on.cells())
    assert drawn.finite.all()
    changed = abs(drawn.images.astype(int) - on.baseline(name)).max() > kind.neutral_tolerance
    assert changed, (
        f"{way} changes no image of {on.name}: refuse the card with a ModelError in `check`, and "
        f"take {on.name} out of WORKS ({HERE})"
    )
