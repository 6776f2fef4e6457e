"""What every intervention promises, over tiny models with random weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.batch import Batch
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.interventions import INTERVENTIONS
from pipeline.interventions.base import Intervention
from pipeline.interventions.seed_scramble import scramble
from pipeline.models import MODELS, base
from pipeline.noise import draw_noise
from pipeline.prompts.prompt_sets import Prompt
from pipeline.registry import load
from tests.pipeline import tiny, tiny_offset_noise, tiny_pipelines, tiny_singdiffusion

PARAMETERS: dict[str, Mapping[str, Any]] = {
    "freeu": {"version": 2, "preset": "sd2.1", "widths": [32, 16]},
    "seed_blend": {"seed": 99, "strength": 0.4},
    "seed_plant": {"strengths": [0.4], "one_in": 1},
    "seed_swap": {"seed": 99, "step": 1},
    "stage_seed": {"stage": 0, "seed": 99},
}
"""Parameters with which an intervention that needs some is tested."""
CARDS: Mapping[str, Mapping[str, Any]] = {
    "zero_snr": {"scheduler_config": {"prediction_type": "v_prediction"}},
}
"""What an intervention wants of a card."""
OF_CASCADES = ("stage_seed",)
"""Interventions that want several stages: DALL-E 2's design, where others get the seedling's."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {"seed_swap": {"eta": 1.0}}
"""What an intervention wants of a run."""


@pytest.fixture(scope="module", autouse=True)
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Parameters that name weights, tiny and random."""
    folder = tmp_path_factory.mktemp("singdiffusion")
    PARAMETERS["singdiffusion"] = tiny_singdiffusion.parameters(folder)
    PARAMETERS["offset_noise"] = tiny_offset_noise.parameters(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("tiny"), load_cards()["seedling-mini"])


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> Card:
    folder = tmp_path_factory.mktemp("cascade")
    return tiny_pipelines.checkpoint(folder, load_cards()["kandinsky22"])


@pytest.fixture(params=INTERVENTIONS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def card(name: str, plain: Card, cascade: Card) -> Card:
    """The card that the named intervention wants."""
    chosen = cascade if name in OF_CASCADES else plain
    return chosen.model_copy(update=dict(CARDS.get(name, {})))


def make(name: str, parameters: Mapping[str, Any] | None = None) -> Intervention:
    kind = load(INTERVENTIONS, name, "intervention", base=Intervention)
    if parameters is not None:
        return kind(parameters)  # type: ignore[no-any-return]
    try:
        intervention: Intervention = kind(PARAMETERS.get(name, {}))
    except ValueError as error:
        pytest.fail(
            f"intervention {name} cannot be made with the parameters {PARAMETERS.get(name, {})} "
            f"({error}): give it a line in PARAMETERS "
            f"(tests/contracts/test_intervention_contract.py)"
        )
    return intervention


def loaded(card: Card, intervention: Intervention, **changes: Any) -> Any:  # noqa: ANN401
    """The card's family, with the run that the test wants."""
    family = load(MODELS, card.family, "model family")
    return family(card, resolve(card), tiny.config(card, **changes), intervention)


def images(card: Card, intervention: Intervention, name: str = "") -> np.ndarray:
    """The images of a batch, with the run that the named intervention wants."""
    model = loaded(card, intervention, **SETTINGS.get(name, {}))
    return np.asarray(model.generate(cells(name)).images)


def cells(name: str) -> Batch:
    """A batch: whole groups, where the intervention draws groups."""
    if not name or make(name).group_size == 1:
        return tiny.batch()
    return tiny.batch((tiny.PROMPTS[0],) * 4, (4, 5, 6, 7))


def joined(first: Batch, second: Batch) -> Batch:
    return Batch(first.prompts + second.prompts, first.seeds + second.seeds)


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
    model = loaded(card, intervention, **SETTINGS.get(name, {}))
    model.generate(cells(name))
    intervention.restore(model.pipe)
    model.intervention = Intervention({})
    assert np.array_equal(model.generate(cells(name)).images, baseline)


def test_noise_comes_from_us(card: Card, name: str) -> None:
    # The cascade's call takes no eta; its sampler draws step noise as it is.
    model = loaded(card, make(name), eta=0.0 if name in OF_CASCADES else 1.0)
    first = model.generate(cells(name)).images
    with torch.random.fork_rng():
        torch.manual_seed(31)
        state = torch.get_rng_state()
        assert np.array_equal(first, model.generate(cells(name)).images)
        assert torch.equal(state, torch.get_rng_state())


def test_an_image_depends_on_its_own_group_only(card: Card, name: str) -> None:
    """And on all of it: a group that says it is larger than it is would cost cells."""
    size = make(name).group_size
    model = loaded(card, make(name), **SETTINGS.get(name, {}))
    others = tiny.batch((tiny.PROMPTS[1],) * size, tuple(range(8, 8 + size)))
    group = tiny.batch((tiny.PROMPTS[0],) * size, tuple(range(4, 4 + size)))
    alone, together = (model.generate(b).images for b in (group, joined(group, others)))
    assert worst(together[:size], alone) <= 1
    if size > 1:
        other = replace(group, seeds=(*group.seeds[:-1], 99))
        assert worst(model.generate(other).images[:1], alone[:1]) > 1


def test_unknown_parameters_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no_such"):
        make(name, {"no_such": 1})


def test_without_intervention_a_seed_is_shared_by_prompts(
    plain: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = noise_of(plain, make("none"), monkeypatch)
    assert tiny.SEEDS[0] == tiny.SEEDS[1]
    assert tiny.PROMPTS[0] != tiny.PROMPTS[1]
    assert torch.equal(noise[0], noise[1])


def test_scrambled_seeds_are_not_shared(plain: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = noise_of(plain, make("seed_scramble"), monkeypatch)
    assert not torch.equal(noise[0], noise[1])
    correlation = np.corrcoef(noise[0].flatten(), noise[1].flatten())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(noise[0].numel())


def test_scrambled_cells_are_repeatable(plain: Card) -> None:
    first, again = (images(plain, make("seed_scramble")) for _ in range(2))
    assert np.array_equal(first, again)


def test_scrambled_step_noise_follows_the_stand_in_seed(plain: Card) -> None:
    """The image is the native one of the stand-in seeds, step noise included."""
    settings = tiny.config(plain, eta=1.0)
    drawn = tiny.model(plain, settings, make("seed_scramble")).generate(tiny.batch())
    ids = [Prompt(text).id for text in tiny.PROMPTS]
    stand_ins = tuple(scramble(i, seed) for i, seed in zip(ids, tiny.SEEDS, strict=True))
    native = tiny.native_images(plain, settings, tiny.batch(seeds=stand_ins))
    theirs = np.stack([np.asarray(image) for image in native]).astype(int)
    assert abs(drawn.images.astype(int) - theirs).max() <= 1
    unscrambled = tiny.native_images(plain, settings, tiny.batch())
    assert abs(drawn.images.astype(int) - np.stack([np.asarray(i) for i in unscrambled])).max() > 1
