"""How far the effect of a seed reaches is found, whether it ends gradually or in a jump."""

from pathlib import Path

import pytest
import yaml

from analysis.studies import Findings, load_study
from analysis.studies.base import NotDrawnError
from pipeline.errors import RunError
from pipeline.settings.recipe import Recipe
from tests.analysis.studies.blended import blended

STRENGTHS = (0.1, 0.5, 0.9)


def find(folder: Path, *, jump: float) -> Findings:
    for strength in STRENGTHS:
        blended(folder / f"to_1_by_{strength}", (1, strength), jump=jump)
    blended(folder / "other_guidance", (1, 0.2), guidance_scale=7.0)
    blended(folder / "elsewhere", (9, 0.2))
    return load_study("seed_blend").find(blended(folder / "plain"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Findings]:
    folder = tmp_path_factory.mktemp("blends")
    return {jump: find(folder / str(jump), jump=jump) for jump in (0.0, 0.3, 0.95)}


def test_a_steady_change_is_found_with_its_half_angle(found: dict[float, Findings]) -> None:
    rows = found[0.0].numbers["blends"]
    assert [row["angle"] for row in rows] == pytest.approx([9, 45, 81])
    kept = [row["kept"] for row in rows]
    assert kept == sorted(kept, reverse=True)
    assert rows[1]["to_i"] == pytest.approx(rows[1]["to_j"], abs=0.1)  # in the middle of the way
    assert rows[0]["to_other"] > 0.1  # the prompt alone makes images similar, so 0 is not the null
    half = found[0.0].numbers["half_angle"]["pixels"]
    assert 40 < half < 70
    assert f"lost at {half:.0f} degrees" in found[0.0].outcome


def test_a_jump_is_found_where_it_is(found: dict[float, Findings]) -> None:
    before, after, _ = found[0.3].numbers["blends"]
    assert before["to_i"] == pytest.approx(1)
    assert after["to_j"] == pytest.approx(1)
    assert 9 < found[0.3].numbers["half_angle"]["pixels"] < 45


def test_a_seed_that_reaches_all_the_way_has_no_half_angle(found: dict[float, Findings]) -> None:
    assert found[0.95].numbers["half_angle"] == {"pixels": None}
    assert all(row["kept"] == pytest.approx(1) for row in found[0.95].numbers["blends"])
    assert "more than half of what a seed fixes is kept" in found[0.95].outcome


def test_only_blends_with_equal_sampling_towards_a_seed_of_the_run_count(
    found: dict[float, Findings],
) -> None:
    frame = found[0.0].tables["blends"].frame
    assert frame["arm"].to_list() == [f"to_1_by_{strength}" for strength in STRENGTHS]
    assert frame["seeds"].to_list() == [3, 3, 3]
    recipe = Recipe(name="blends", **yaml.safe_load(found[0.0].recipes["blends"]))
    assert {"plain", "to_0_by_05", "to_1_by_70"} <= set(recipe.arms)


def test_refusals_say_what_is_needed(tmp_path: Path) -> None:
    study = load_study("seed_blend")
    alone = blended(tmp_path / "plain")
    with pytest.raises(NotDrawnError, match=r"needs at least 1: .* seedling-mini-blend") as lacking:
        study.find(alone)
    assert "to_0_by_10" in yaml.safe_load(lacking.value.recipes["blends"])["arms"]
    blend = blended(tmp_path / "blend", (1, 0.5))
    with pytest.raises(RunError, match="needs the plain arm next to the blends"):
        study.find(blend)
    assert study.find(alone).numbers["blends"]
