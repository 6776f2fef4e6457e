"""What every intervention promises, over a tiny model with random weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.cards import Card, load_cards
from pipeline.interventions import INTERVENTIONS
from pipeline.interventions.base import Intervention
from pipeline.interventions.seed_scramble import scramble
from pipeline.models import base
from pipeline.models.base import Batch
from pipeline.noise import draw_noise
from pipeline.prompt_sets import Prompt
from pipeline.registry import load
from tests.pipeline import tiny, tiny_offset_noise, tiny_singdiffusion

PARAMETERS: dict[str, Mapping[str, Any]] = {
    "freeu": {"version": 2, "preset": "sd2.1", "widths": [32, 16]},
    "seed_plant": {"strengths": [0.4], "one_in": 1},
    "seed_swap": {"seed": 99, "step": 1},
}
"""Parameters with which an intervention that needs some is tested."""
CARDS: Mapping[str, Mapping[str, Any]] = {
    "zero_snr": {"scheduler_config": {"prediction_type": "v_prediction"}},
}
"""What an intervention wants of a card."""
OF_CASCADES = ("stage_seed",)
"""Interventions that want several stages; they are tested with such a card."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {"seed_swap": {"eta": 1.0}}
"""What an intervention wants of a run."""


@pytest.fixture(scope="module", autouse=True)
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Parameters that name weights, tiny and random."""
    folder = tmp_path_factory.mktemp("singdiffusion")
    PARAMETERS["singdiffusion"] = tiny_singdiffusion.parameters(folder)
    PARAMETERS["offset_noise"] = tiny_offset_noise.parameters(folder)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("tiny"), load_cards()["seedling-mini"])


@pytest.fixture(params=[name for name in INTERVENTIONS if name not in OF_CASCADES])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def make(name: str, parameters: Mapping[str, Any] | None = None) -> Intervention:
    kind = load(INTERVENTIONS, name, "intervention", base=Intervention)
    made: Intervention = kind(PARAMETERS.get(name, {}) if parameters is None else parameters)
    return made


def images(card: Card, intervention: Intervention, name: str = "") -> np.ndarray:
    """The pictures of a batch, with the card and the run that the named intervention wants."""
    card = card.model_copy(update=dict(CARDS.get(name, {})))
    settings = tiny.config(card, **SETTINGS.get(name, {}))
    return np.asarray(tiny.model(card, settings, intervention).generate(cells(name)).images)


def cells(name: str) -> Batch:
    """A batch: whole groups, where the intervention draws groups."""
    if not name or make(name).group_size == 1:
        return tiny.batch()
    return tiny.batch((tiny.PROMPTS[0],) * 4, (4, 5, 6, 7))


def worst(first: np.ndarray, second: np.ndarray) -> int:
    """Largest difference of a pixel."""
    return int(abs(first.astype(int) - second.astype(int)).max())


def noise_of(
    card: Card, intervention: Intervention, monkeypatch: pytest.MonkeyPatch
) -> torch.Tensor:
    """The starting noise of the batch."""
    kept = []

    def draw(*arguments: object, **options: object) -> tuple[torch.Tensor, list[torch.Generator]]:
        kept.append(draw_noise(*arguments, **options))  # type: ignore[arg-type]
        return kept[-1]

    monkeypatch.setattr(base, "draw_noise", draw)
    images(card, intervention)
    return kept[0][0]


def test_neutral_parameters_give_the_baseline(card: Card, name: str) -> None:
    neutral = load(INTERVENTIONS, name, "intervention").neutral
    baseline = images(card, Intervention({}), name)
    if neutral is not None:
        neutrally = make(name, neutral)
        assert worst(images(card, neutrally, name), baseline) <= neutrally.neutral_tolerance
    if name != "none":
        assert worst(images(card, make(name), name), baseline) > make(name).neutral_tolerance


def test_restore_gives_the_baseline(card: Card, name: str) -> None:
    baseline = images(card, Intervention({}), name)
    intervention = make(name)
    wanted = card.model_copy(update=dict(CARDS.get(name, {})))
    model = tiny.model(wanted, tiny.config(wanted, **SETTINGS.get(name, {})), intervention)
    model.generate(cells(name))
    intervention.restore(model.pipe)
    model.intervention = Intervention({})
    assert np.array_equal(model.generate(cells(name)).images, baseline)


def test_noise_comes_from_us(card: Card, name: str) -> None:
    wanted = card.model_copy(update=dict(CARDS.get(name, {})))
    model = tiny.model(wanted, tiny.config(wanted, eta=1.0), make(name))
    first = model.generate(cells(name)).images
    with torch.random.fork_rng():
        torch.manual_seed(31)
        state = torch.get_rng_state()
        assert np.array_equal(first, model.generate(cells(name)).images)
        assert torch.equal(state, torch.get_rng_state())


def test_the_batch_size_holds_whole_groups(name: str) -> None:
    assert make(name).group_size >= 1


def test_unknown_parameters_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no_such"):
        make(name, {"no_such": 1})


def test_without_intervention_a_seed_is_shared_by_prompts(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = noise_of(card, make("none"), monkeypatch)
    assert tiny.SEEDS[0] == tiny.SEEDS[1]
    assert tiny.PROMPTS[0] != tiny.PROMPTS[1]
    assert torch.equal(noise[0], noise[1])


def test_scrambled_seeds_are_not_shared(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = noise_of(card, make("seed_scramble"), monkeypatch)
    assert not torch.equal(noise[0], noise[1])
    correlation = np.corrcoef(noise[0].flatten(), noise[1].flatten())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(noise[0].numel())


def test_scrambled_cells_are_repeatable(card: Card) -> None:
    first, again = (images(card, make("seed_scramble")) for _ in range(2))
    assert np.array_equal(first, again)


def test_scrambled_step_noise_follows_the_stand_in_seed(card: Card) -> None:
    """The image is the native one of the stand-in seeds, step noise included."""
    settings = tiny.config(card, eta=1.0)
    drawn = tiny.model(card, settings, make("seed_scramble")).generate(tiny.batch())
    ids = [Prompt(text).id for text in tiny.PROMPTS]
    stand_ins = tuple(scramble(i, seed) for i, seed in zip(ids, tiny.SEEDS, strict=True))
    native = tiny.native_images(card, settings, tiny.batch(seeds=stand_ins))
    theirs = np.stack([np.asarray(image) for image in native]).astype(int)
    assert abs(drawn.images.astype(int) - theirs).max() <= 1
    plain = tiny.native_images(card, settings, tiny.batch())
    assert abs(drawn.images.astype(int) - np.stack([np.asarray(i) for i in plain])).max() > 1
