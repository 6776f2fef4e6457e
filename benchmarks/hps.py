"""Time preference scores against the authors' call pattern, and against plain batches.

The network is open_clip's, of ViT-B size, with random weights. The authors' `score` reads the
checkpoint from disk in each call, and scores one image at a time with its text; a user calls it
once per image, since each image has its own prompt. Plain batches load the network once and encode
one text per image. Ours encodes each distinct prompt once for all seeds. The scores of the three
are compared. Loading ours is counted in `ratio_with_loading`, divided by the images of one run.

Run: `python -m benchmarks.hps`
"""

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch
import yaml
from numpy.typing import NDArray

from analysis.features.base import Batch
from analysis.features.hps import Hps
from benchmarks.harness import alternate, report_ratio, seconds
from pipeline.stage import Uint8Images

GOAL = 10.0
TOLERANCE = 1e-4

Scores = NDArray[np.float32]


def write_card(folder: Path, architecture: str) -> Path:
    """Write random weights in the authors' format, and a card that pins them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(architecture, load_weights=False)
    weights = folder / "weights.pt"
    torch.save({"state_dict": model.state_dict()}, weights)
    card = {
        "feature": "hps",
        "source": "made by the benchmark",
        "licence": "none",
        "path": str(weights),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "pickled": True,
        "options": {"architecture": architecture, "version": "random"},
    }
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(card), encoding="utf-8")
    return path


class Authors:
    """The authors' call pattern: read the checkpoint again, then score one image and one text."""

    def __init__(self, folder: Path, architecture: str, feature: Hps) -> None:
        self.folder, self.architecture, self.feature = folder, architecture, feature
        with torch.random.fork_rng():
            self.model = open_clip.create_model(architecture, load_weights=False).eval()

    def __call__(self, batch: Batch) -> Scores:
        """Score each image in its own call."""
        return np.concatenate([self._score(batch.cut(i, i + 1)) for i in range(len(batch))])

    def _score(self, single: Batch) -> Scores:
        checkpoint = torch.load(self.folder / "weights.pt", weights_only=True)
        self.model.load_state_dict(checkpoint["state_dict"])
        tokenizer = open_clip.get_tokenizer(self.architecture)
        return plain(self.model, tokenizer, self.feature, single)


def plain(model: torch.nn.Module, tokenizer: object, feature: Hps, batch: Batch) -> Scores:
    """Score images in one forward pass, with one text per image."""
    assert callable(tokenizer)
    texts = tokenizer([str(prompt["text"]) for prompt in batch.prompts])
    with torch.inference_mode():
        image, text, _ = model(feature.prepared(batch.images), texts)
    return np.asarray((image * text).sum(dim=1).numpy())


def draw(count: int, prompts: int, size: int) -> Batch:
    """Draw random images of a few prompts."""
    images: Uint8Images = np.random.default_rng(0).integers(
        0, 256, (count, size, size, 3), dtype=np.uint8
    )
    return Batch(images, [{"text": f"a picture of {i % prompts} horses"} for i in range(count)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--architecture", default="ViT-B-32")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--authors", type=int, default=4, help="images of the authors' side")
    parser.add_argument("--pairs", type=int, default=5)
    chosen = parser.parse_args(arguments)
    batch = draw(chosen.images, chosen.prompts, chosen.size)
    few = batch.cut(0, chosen.authors)
    with tempfile.TemporaryDirectory() as name:
        feature = Hps(str(write_card(Path(name), chosen.architecture)))
        loading = seconds(feature.setup)
        authors = Authors(Path(name), chosen.architecture, feature)
        ours = partial(_fresh, feature, batch)
        scores = ours()
        tokenizer = open_clip.get_tokenizer(chosen.architecture)
        naive = partial(plain, feature.towers.model, tokenizer, feature, batch)
        difference = max(
            float(np.abs(authors(few) - scores[: len(few)]).max()),
            float(np.abs(naive() - scores).max()),
        )
        timings = alternate(ours, partial(authors, few), chosen.pairs)
        batched = alternate(ours, naive, chosen.pairs)
    per_image = timings.ours_median / len(batch)
    peer = timings.peer_median / len(few)
    return report_ratio(
        "hps",
        per_image,
        peer,
        unit="s per image",
        goal=GOAL,
        runs=chosen.pairs,
        right=difference <= TOLERANCE,
        more={
            "architecture": chosen.architecture,
            "images": len(batch),
            "prompts": chosen.prompts,
            "loading_s": loading,
            "ratio_with_loading": peer / (per_image + loading / len(batch)),
            "ratio_to_plain_batches": batched.peer_median / batched.ours_median,
            "difference": difference,
        },
    )


def _fresh(feature: Hps, batch: Batch) -> Scores:
    """Score without cached texts, so that each call encodes its prompts."""
    feature.towers.forget_texts()
    return np.asarray(feature.extract(batch)[feature.column])


if __name__ == "__main__":
    sys.exit(main())
