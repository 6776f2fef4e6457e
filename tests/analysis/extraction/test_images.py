import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.extraction.images import decode_image, decode_rows, read_images
from pipeline.errors import ShardError
from tests.analysis import synthetic
from tests.pipeline.prompts.test_image_files import text_bomb


def picture() -> synthetic.Pixels:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def encoded(kind: str, image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_images_come_back_as_they_were(kind: str, options: dict[str, object]) -> None:
    data = encoded(kind, Image.fromarray(picture()), **options)
    np.testing.assert_array_equal(decode_image(data, height=64, width=64), picture())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encoded("PNG", Image.fromarray(picture()).resize((32, 64))), "32 x 64"),
        (encoded("PNG", Image.fromarray(picture()).convert("RGBA")), "RGBA"),
        (encoded("GIF", Image.fromarray(picture())), "decoded"),
        (encoded("PNG", Image.fromarray(picture()))[:-100], "decoded"),
        (b"nonsense", "decoded"),
        (text_bomb(), "decoded: Decompressed data too large"),
    ],
    ids=["size", "mode", "format", "truncated", "nonsense", "text bomb"],
)
def test_what_is_not_the_runs_image_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ShardError, match=words):
        decode_image(data, height=64, width=64)


@pytest.mark.parametrize(
    ("side", "words"), [(4096, "4096 x 4096"), (60000, "huge image")], ids=["large", "huge"]
)
def test_a_large_image_is_refused_by_its_header(side: int, words: str) -> None:
    """The file holds no pixels after its header, so decoding it first would find it damaged."""
    data = bytearray(encoded("PNG", Image.fromarray(picture())))
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(ShardError, match=words):
        decode_image(bytes(data[:60]), height=64, width=64)


def test_one_pixel_and_plain_images_are_images() -> None:
    for pixels in (np.full((1, 1, 3), 7, np.uint8), np.full((64, 64, 3), 255, np.uint8)):
        height, width = pixels.shape[:2]
        data = encoded("PNG", Image.fromarray(pixels))
        np.testing.assert_array_equal(decode_image(data, height=height, width=width), pixels)


def test_pixels_that_were_not_drawn_are_noticed(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=2, seeds=[0])
    rows, _ = synthetic.rows_of(run, next(run.tiles()), synthetic.noisy, keep=True)
    images, kept = decode_rows(rows, height=64, width=64)
    assert kept == [True, True]
    np.testing.assert_array_equal(images[0], synthetic.noisy(next(iter(run.prompts.values())), 0))
    swapped = rows.set_column(rows.schema.get_field_index("image"), "image", rows["image"][::-1])
    with pytest.raises(ShardError, match="not those that were drawn"):
        decode_rows(swapped, height=64, width=64)


def test_only_what_is_there_is_read(tmp_path: Path) -> None:
    run = synthetic.start(tmp_path, n_prompts=9, seeds=range(2))
    first = next(iter(run.prompts.values()))
    synthetic.draw_all(run, lambda p, s: None if (p, s) == (first, 1) else synthetic.noisy(p, s))
    cells = [(first.id, 0), (first.id, 1), (first.id, 77), ("no prompt", 0)]
    found = read_images(run, cells)
    assert list(found) == [(first.id, 0)]
    np.testing.assert_array_equal(found[first.id, 0], synthetic.noisy(first, 0))
