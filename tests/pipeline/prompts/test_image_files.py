"""Images from outside: each bad kind is refused with its reason, none is silently repaired."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageFileError
from pipeline.prompts.image_files import crop_square, decode_image_file, list_image_files


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photograph(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def huge_png() -> bytes:
    """A PNG that says that it is 30,000 x 30,000."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


def text_bomb() -> bytes:
    """A PNG whose comment says that it is 3 MiB long, three times what Pillow reads."""
    header = struct.pack(">IIBBBBB", 20, 20, 8, 2, 0, 0, 0)
    text = b"Comment\0\0" + zlib.compress(bytes(3 * 2**20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"zTXt", text)


def chunk(kind: bytes, data: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def see_through() -> Image.Image:
    image = photograph().convert("RGBA")
    image.putpixel((3, 3), (1, 2, 3, 0))
    return image


BAD = {
    "empty": (b"", "cannot be decoded"),
    "text": (b"not a picture", "cannot be decoded"),
    "cut short": (encoded(photograph(), "JPEG")[:-400], "cannot be decoded"),
    "1 x 1": (encoded(Image.new("RGB", (1, 1))), "too small: 1 x 1"),
    "huge": (huge_png(), "too large"),
    "text bomb": (text_bomb(), "cannot be decoded: Decompressed data too large"),
    "transparent": (encoded(see_through()), "transparent pixels"),
    "gif": (encoded(photograph(mode="P"), "GIF"), "cannot be decoded"),
    "16 bits": (encoded(Image.new("I;16", (20, 20))), "8 bits per channel"),
    "animation": (
        encoded(photograph(), "WEBP", save_all=True, append_images=[see_through()]),
        "animation",
    ),
}


@pytest.mark.parametrize(("data", "reason"), BAD.values(), ids=BAD)
def test_bad_images_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageFileError, match=reason) as found:
        decode_image_file(data)
    said = str(found.value).startswith("cannot be decoded")
    assert said == reason.startswith("cannot be decoded")  # no refusal is put into another


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA"])
def test_other_modes_are_converted_and_said(mode: str) -> None:
    decoded = decode_image_file(encoded(photograph(mode=mode)))
    assert (decoded.image.mode, decoded.converted) == ("RGB", mode)


def test_good_images_come_out_as_they_are() -> None:
    decoded = decode_image_file(encoded(photograph()))
    assert decoded.converted == ""
    assert (np.asarray(decoded.image) == np.asarray(photograph())).all()


def test_the_middle_square_is_cut_out() -> None:
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    assert (np.asarray(crop_square(Image.fromarray(pixels), 20)) == 255).all()
    assert not (np.asarray(Image.fromarray(pixels).resize((20, 20))) == 255).all()


def test_listing_counts_other_files(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2.JPG", "1.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(b"x")
    assert list_image_files(tmp_path) == (["1.png", "b/2.JPG"], 1)
    with pytest.raises(ImageFileError, match="is not a folder"):
        list_image_files(tmp_path / "nowhere")
