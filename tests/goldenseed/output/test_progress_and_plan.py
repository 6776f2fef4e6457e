"""What the command says before and while it works."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldenseed import progress
from goldenseed.output import tables
from goldenseed.steps.begin import load_prompts
from goldenseed.steps.costs.drawing import seconds_per_image
from goldenseed.steps.plan import plan_recipe
from pipeline.cards.card import find_card
from pipeline.settings.recipe import Sampling, load_recipe
from pipeline.stage import Outcome


def outcomes(count: int) -> Iterator[Outcome]:
    for number in range(count):
        time.sleep(0.01)
        yield Outcome(str(number), cells=10)


def test_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    passed = list(progress.follow(outcomes(5), what="generate", total=50))
    assert [outcome.task_id for outcome in passed] == list("01234")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "generate: 50 images to do" in captured.err
    assert "generate: 50 of 50 images, done in" in captured.err


def test_lines_say_the_rate_and_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    list(progress.follow(outcomes(5), what="generate", total=50))
    assert "images/s" in capsys.readouterr().err


def test_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert len(list(progress.follow(outcomes(3), what="draw", total=30))) == 3
    assert "draw" in capsys.readouterr().err


def test_plan_counts_cells_shards_and_bytes(tmp_path: Path) -> None:
    recipe = load_recipe("seedling-mini")
    prompts = {p.id: p for p in load_prompts(recipe).prompts}
    (plan,) = plan_recipe(recipe, prompts, tmp_path)
    assert (plan.seeds, plan.prompts, plan.cells) == (32, 240, 7680)
    assert plan.shards == (32 // 8) * (240 // 16)
    assert plan.gpu_hours is None
    assert plan.seconds is not None
    none_kept = recipe.model_copy(update={"keep_images": "none"})
    assert plan_recipe(none_kept, prompts, tmp_path)[0].image_bytes == 0
    some_kept = recipe.model_copy(update={"keep_images": 24})
    assert plan_recipe(some_kept, prompts, tmp_path)[0].image_bytes == plan.image_bytes // 10


def test_the_plan_of_a_gpu_card_states_gpu_hours_and_their_basis(tmp_path: Path) -> None:
    recipe = load_recipe("sd2-base")
    prompts = {p.id: p for p in load_prompts(recipe).prompts}
    (plan,) = plan_recipe(recipe, prompts, tmp_path)
    tera = (804.3 * 80 + 2514.5) / 1000
    assert plan.gpu_hours == pytest.approx(880 * 1024 * tera / 316 / 3600, rel=1e-6)
    assert "not measured on a GPU" in plan.basis


def test_cost_follows_steps_and_guidance() -> None:
    card = find_card("sd2-base")
    guided, _ = seconds_per_image(card)
    free, _ = seconds_per_image(card, Sampling(guidance_scale=1.0))
    fewer, _ = seconds_per_image(card, Sampling(num_inference_steps=20))
    assert guided is not None
    assert free is not None
    assert fewer is not None
    assert free < 0.6 * guided
    assert fewer < 0.6 * guided
    unknown = card.model_copy(update={"gflop_forward": None})
    assert seconds_per_image(unknown)[0] is None


def test_texts_are_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_rows("t", [{"prompt": "[red]a[/red] \x1b[31mcup"}])
    out = capsys.readouterr().out
    assert "[red]a[/red]" in out
    assert "\x1b[31m" not in out
