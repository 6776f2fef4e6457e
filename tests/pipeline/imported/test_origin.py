"""Each image is read by its own metadata, also where images follow one another in memory."""

import io

from PIL import Image

from pipeline.imported.origin import OriginReader
from tests.layouts import a1111, jpeg, pixels


def test_images_at_one_address_are_not_mixed_up() -> None:
    reader = OriginReader()

    def read(seed: int) -> int | None:
        data = jpeg(pixels(1), a1111("a horse", seed)["parameters"])
        return reader.read(Image.open(io.BytesIO(data)), "a.jpg").seed

    assert [read(seed) for seed in range(50)] == [*range(50)]
