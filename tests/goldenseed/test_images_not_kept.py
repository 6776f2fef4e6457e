"""A run that keeps no images is measured while it is drawn; what lacks features is drawn again."""

from pathlib import Path

from pipeline.runs.run import Run
from tests.goldenseed.conftest import RECIPE, Call


def feature_receipts(run: Path) -> list[Path]:
    return sorted(run.glob("receipts/features/appearance-*/*/*.json"))


def contents(run: Path) -> dict[str, str]:
    return {r.shard_id: r.content_sha256 for r in Run.open(run).images.receipts()}


def test_features_survive_without_images(call: Call, tmp_path: Path) -> None:
    lines = RECIPE.replace("count: 40", "count: 8").replace("count: 8}\ntile", "count: 4}\ntile")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(lines.partition("ranking:")[0] + "keep_images: none\n")
    out = tmp_path / "run"
    options = ("--out", out, "--executor", "local")
    assert call("generate", recipe, *options).code == 0
    drawn = contents(out)
    measured = feature_receipts(out)
    assert len(measured) == len(drawn) > 0
    assert call("measure", out, "--executor", "local").code == 0

    # As after a kill between drawing and measuring.
    measured[0].unlink()
    called = call("measure", out, "--executor", "local")
    assert called.code == 3
    assert "were not kept" in called.err
    assert feature_receipts(out) == measured[1:]
    called = call("run", recipe, *options)
    assert called.code == 0
    assert "drawing again" in called.err
    assert feature_receipts(out) == measured
    assert contents(out) == drawn
