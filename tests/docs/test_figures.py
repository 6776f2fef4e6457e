"""The figures of docs/findings are those that the code draws from the committed tables."""

import io

import pytest
from PIL import Image

from analysis.pictures.plots import DPI, WIDEST
from analysis.studies.golden.figures import chance_figure
from docs.tools.figures import FINDINGS, Results, figures

DRAWN = dict(figures())
SAMPLE = (
    "showcase-seedling/composition/shares",
    "showcase-turbo/golden/chance",
    "showcase-turbo/search/curve",
)


def test_each_figure_is_there_as_svg_too_and_no_wider_than_a_readme() -> None:
    assert len(DRAWN) > 30
    for path in DRAWN:
        assert path.with_suffix(".svg").read_bytes().startswith(b"<?xml"), path
        with Image.open(path) as image:
            assert image.width <= WIDEST * DPI, path


@pytest.mark.parametrize("name", SAMPLE)
def test_a_figure_follows_from_its_table(name: str) -> None:
    path = FINDINGS / f"{name}.png"
    drawn = DRAWN[path]()
    assert drawn.svg == path.with_suffix(".svg").read_bytes(), "run python -m docs.tools.figures"
    with Image.open(io.BytesIO(drawn.png)) as again, Image.open(path) as committed:
        assert again.tobytes() == committed.tobytes()


def test_another_number_gives_another_figure() -> None:
    numbers = Results(FINDINGS / "showcase-turbo/golden").numbers
    assert chance_figure(numbers) == chance_figure(numbers)
    assert chance_figure(numbers).svg != chance_figure({**numbers, "again_count": 11}).svg
