"""Time reading words against a loop of EasyOCR's `readtext`.

Both sides have the same networks and weights in float32, without quantisation, and must give the
same texts and boxes for each image. The recogniser, which we batch differently, is timed alone:
ours reads the crops of all images at once, the other side calls `Reader.recognize` on the same
boxes image by image, as `readtext` does. The end-to-end times start from pixels on both sides;
most of that time is spent in the detector, which sees one image at a time on both sides.

Run: `python -m benchmarks.ocr`
"""

import argparse
import contextlib
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from analysis.features.base import Batch
from analysis.features.cards import find_weights
from analysis.features.ocr import Ocr
from benchmarks.harness import alternate, report_ratio

if TYPE_CHECKING:
    from easyocr import Reader

GOAL = 2.0
WORDS = ("HOTEL", "OPEN", "taxi", "Seed 42", "golden", "horse", "a red bowl", "EXIT", "Cafe")
Pixels = NDArray[np.uint8]
Page = list[tuple[str, list[list[float]]]]


def draw_words(count: int, size: int) -> Pixels:
    """Draw square images with one to three words each, dark on a light background."""
    rng = np.random.default_rng(0)
    return np.stack([_draw_lines(rng, size, 1 + number % 3) for number in range(count)])


def _draw_lines(rng: np.random.Generator, size: int, lines: int) -> Pixels:
    image = Image.new("RGB", (size, size), tuple(int(c) for c in rng.integers(180, 256, 3)))
    pen = ImageDraw.Draw(image)
    for line in range(lines):
        font = ImageFont.load_default(size=int(rng.integers(size // 6, size // 4)))
        corner = (int(rng.integers(2, size // 8)), 4 + line * size // 3)
        ink = tuple(int(c) for c in rng.integers(0, 80, 3))
        pen.text(corner, WORDS[int(rng.integers(len(WORDS)))], font=font, fill=ink)
    return np.asarray(image)


def easyocr_reader(feature: Ocr) -> "Reader":
    """Make the other side, with the same weight files as our feature's card."""
    import easyocr

    with tempfile.TemporaryDirectory() as folder:
        return easyocr.Reader(
            ["en"],
            gpu=False,
            model_storage_directory=str(find_weights(feature.card)),
            user_network_directory=folder,
            download_enabled=False,
            verbose=False,
            quantize=False,
        )


def ours_whole(feature: Ocr, images: Pixels) -> list[Page]:
    """Texts and boxes as our feature stores them."""
    words = feature.extract(Batch(images, [{}] * len(images)))["words"]
    return [[(word["text"], word["box"]) for word in json.loads(page)] for page in words]


def peer_whole(reader: "Reader", images: Pixels) -> list[Page]:
    """Texts and boxes of a `readtext` loop."""
    return [
        [(text, np.round(np.asarray(box, float), 2).tolist()) for box, text, _ in words]
        for words in (reader.readtext(image) for image in images)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--size", type=int, default=128, help="pixels of a side")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--whole-pairs", type=int, default=5)
    chosen = parser.parse_args(arguments)
    feature = Ocr()
    feature.setup()
    reader = easyocr_reader(feature)
    images = draw_words(chosen.pictures, chosen.size)
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")  # the other side warns of pinned memory without a GPU
        logging.getLogger("easyocr").setLevel(logging.ERROR)
        same = ours_whole(feature, images) == peer_whole(reader, images)  # also warms both up
        pages = [feature.detect(image) for image in images]
        stage = alternate(
            lambda: feature.recognise([crop for i, p in enumerate(pages) for crop in p.crops(i)]),
            lambda: [reader.recognize(p.grey, p.level, p.free, reformat=False) for p in pages],
            chosen.pairs,
        )
        whole = alternate(
            lambda: ours_whole(feature, images),
            lambda: peer_whole(reader, images),
            chosen.whole_pairs,
        )
    return report_ratio(
        "ocr",
        stage.ours_median,
        stage.peer_median,
        unit="s",
        goal=GOAL,
        runs=chosen.pairs,
        right=same,
        more={
            "same_texts_and_boxes": same,
            "pictures": chosen.pictures,
            "crops": sum(1 for i, page in enumerate(pages) for _ in page.crops(i)),
            "whole_ours_s": whole.ours_median,
            "whole_peer_s": whole.peer_median,
            "whole_ratio": whole.peer_median / whole.ours_median,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
