"""Other people's programs read a release: datasets, mlcroissant, YAML and CSV readers."""

import csv
import hashlib
import logging
import os
import subprocess
import sys
from pathlib import Path

import datasets
import mlcroissant
import pytest
import yaml
from PIL import Image

from analysis.publish import publish
from analysis.ranking.rank import rank
from goldenseed.steps.verify.releases import check_releases
from tests.analysis.publish.released import ODD_TEXTS, make_run, ranked_run, release

IGNORED = "ignore::DeprecationWarning", "ignore::FutureWarning"


def load(name: str, cache: Path) -> datasets.DatasetDict:
    return datasets.load_dataset(str(release()), name, cache_dir=str(cache))


def test_datasets_loads_images_as_images(tmp_path: Path) -> None:
    images = load("images", tmp_path)["train"]
    run = ranked_run()
    assert len(images) == len(run.seeds) * len(run.prompts)
    assert isinstance(images.features["image"], datasets.Image)
    row = images[7]
    assert isinstance(row["image"], Image.Image)
    pixels = row["image"].convert("RGB").tobytes()
    assert hashlib.sha256(pixels).hexdigest() == row["image_sha256"]


def test_datasets_loads_lists_seeds_and_prompts_with_the_features_of_the_card(
    tmp_path: Path,
) -> None:
    card = (release() / "README.md").read_text().split("---\n")[1]
    parts = yaml.safe_load(card)["dataset_info"]
    stated = {part["config_name"]: part["features"] for part in parts}
    for name in ("lists", "seeds", "prompts"):
        loaded = next(iter(load(name, tmp_path).values()))
        features = [{"name": k, "dtype": v.dtype} for k, v in loaded.features.items()]
        assert features == stated[name]
    lists = load("lists", tmp_path)
    assert lists["golden"]["seed"] == list(rank(ranked_run()).golden.seeds)
    texts = set(load("prompts", tmp_path)["train"]["text"])
    assert set(ODD_TEXTS) <= texts  # as they were, whatever they look like


@pytest.mark.filterwarnings(*IGNORED)
def test_mlcroissant_validates_and_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    dataset = mlcroissant.Dataset(str(release() / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    row = next(iter(dataset.records("seeds-train")))
    assert row["seeds-train/seed"] == 0
    image = next(iter(dataset.records("images-train")))["images-train/image"]
    assert image.size == (64, 64)


def test_the_citation_has_what_the_standard_requires() -> None:
    fields = yaml.safe_load((release() / "CITATION.cff").read_text())
    assert fields["cff-version"] == "1.2.0"
    assert fields["type"] == "dataset"
    assert {"message", "title", "authors"} <= fields.keys()
    assert all(author["name"] for author in fields["authors"])


def test_prompts_stay_text_in_the_documents() -> None:
    for name in ("README.md", "croissant.json", "CITATION.cff", "golden_seeds.json"):
        text = (release() / name).read_text()
        assert "<script>" not in text
        assert not {"\u202e", "\u2066", "\x1b"} & set(text), name


def test_no_csv_cell_is_a_formula_and_numbers_are_numbers() -> None:
    for path in release().glob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for name, cell in row.items():
                    if name in ("value", "ci_low", "expected", "null_low"):
                        float(cell)
                    else:
                        assert not cell.startswith(("=", "+", "-", "@"))


AGAIN = """
from pathlib import Path
from pipeline.registry import allow_code
from tests.analysis.publish.released import make_run
from analysis.publish import publish
from analysis.ranking.rank import rank
import sys
allow_code()
run = make_run(Path(sys.argv[1]) / "elsewhere", tile=(16, 5), order="prompts")
print(publish(run, rank(run), name="odd", folder=Path(sys.argv[1]) / "out", images=True))
"""


def test_the_same_run_gives_the_same_bytes_anywhere_and_any_time(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4711",
        "SOURCE_DATE_EPOCH": "86400", "HOME": str(tmp_path), "PYTHONUTF8": "0",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(tmp_path)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    again = Path(done.stdout.strip())
    assert _content(again) == _content(release())


def _content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_that_lost_images_says_so_and_verify_reads_its_release(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    ranking = rank(run)
    receipt = next(run.images.receipts())
    run.images.supersede(receipt.shard_id, receipt.block)
    folder = publish(run, ranking, name="part", images=True)
    cells = len(run.seeds) * len(run.prompts)
    words = f"**{receipt.rows:,} of {cells:,} images are missing here.**"
    assert words in (folder / "README.md").read_text()
    assert "images are missing" not in (release() / "README.md").read_text()
    assert not [file for file in check_releases(run.store) if file.problem]
    image = next((folder / "images").iterdir())
    image.write_bytes(image.read_bytes()[:-1])
    (found,) = [file for file in check_releases(run.store) if file.problem]
    assert found.name == f"releases/part-v1/images/{image.name}"
    assert "is not what" in found.problem
