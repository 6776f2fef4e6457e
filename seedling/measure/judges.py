"""Measure the shipped judges: `python -m seedling.measure.judges`.

The test data were not used in training: scenes of other seeds, and images that a shipped model
draws.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import Tensor, nn
from transformers import (
    CLIPSegForImageSegmentation,
    CLIPTokenizer,
    DepthAnythingForDepthEstimation,
)

from pipeline.storage.file_hashes import sha256_of_file
from seedling.files import FIGURES, say, write_json
from seedling.learning.degrade import KINDS, draw_full_parts, draw_pairs
from seedling.learning.pool import fresh_scenes
from seedling.measure.drawing import draw, load_shipped
from seedling.measure.shares import Share, mean_of, wilson
from seedling.networks import depth, preference, segmenter
from seedling.networks.model import VARIANTS
from seedling.networks.recogniser import RECOGNISER, load_backbone, load_heads, recognise
from seedling.randomness import choose, make_generator
from seedling.world.scenes import Scenes, draw_scenes
from seedling.world.sentences import sentence
from seedling.world.vocabulary import OBJECTS

CHOICES = 100
"""Number of distinct prompts among which a scene's own must be found."""
LEAST_DIFFERENCE = 0.1
"""Minimum difference in nearness between two things whose order is tested."""

JUDGES = (preference.CLIP, preference.PREFERENCE, segmenter.FOLDER, depth.FOLDER)
"""Folders of the judges."""

Judge = tuple[nn.Module, CLIPTokenizer]


def retrieval(judge: Judge, *, rounds: int, seed: int) -> Share:
    """Measure how often a scene's own prompt scores highest among 100 distinct full prompts."""
    network, tokenizer = judge
    generator, hits = make_generator(seed), 0
    for _ in range(rounds):
        parts = torch.unique(draw_full_parts(2 * CHOICES, generator=generator), dim=0)
        parts = parts[torch.randperm(len(parts), generator=generator)[:CHOICES]]
        images = draw_scenes(parts, generator=generator).images
        ids = preference.tokens(tokenizer, [sentence(row) for row in parts.tolist()])
        with torch.no_grad():
            vectors = preference.image_vectors(network, images)
            best = (vectors @ preference.text_vectors(network, ids).T).argmax(dim=1)
        hits += int((best == torch.arange(CHOICES)).sum())
    return wilson(hits, rounds * CHOICES)


def preferred(judge: Judge, vae: AutoencoderKL, *, each: int, seed: int) -> dict[str, Share]:
    """Measure how often the better image scores higher, by kind of pair and on average."""
    generator, right = make_generator(seed), {}
    for kind, name in enumerate(KINDS):
        kinds = torch.full((each,), kind)
        pairs = draw_pairs(each, vae=vae, generator=generator, kinds=kinds)
        better = preference.scores(*judge, pairs.better, pairs.texts)
        right[name] = int((better > preference.scores(*judge, pairs.worse, pairs.texts)).sum())
    shares = {name: wilson(hits, each) for name, hits in right.items()}
    return {**shares, "all": wilson(sum(right.values()), each * len(KINDS))}


def preferred_drawn(
    judge: Judge, pipe: StableDiffusionPipeline, *, count: int, seed: int, guidance: float
) -> dict[str, object]:
    """Measure how often a judge prefers the image with a recognised object, of two images.

    Args:
        judge: A network and its tokenizer.
        pipe: The model.
        count: Number of prompts, each drawn from two seeds. Only prompts whose object the
            recogniser finds in exactly one image are counted; no judge was trained with the
            recogniser.
        seed: Seed of prompts and images.
        guidance: Guidance scale.

    Returns:
        The share, and the number of prompts that were drawn.
    """
    parts = draw_full_parts(count, generator=make_generator(seed))
    prompts = [sentence(row) for row in parts.tolist()]
    backbone, heads = load_backbone(RECOGNISER), load_heads(RECOGNISER)
    hits, scores = [], []
    for turn in range(2):
        first = seed * 10_000 + turn * count
        images = draw(pipe, prompts, list(range(first, first + count)), guidance=guidance)
        hits.append(recognise(backbone, heads, images)["object"] == parts[:, 0])
        scores.append(preference.scores(*judge, images, prompts))
    counted = hits[0] != hits[1]
    right = ((scores[0] > scores[1]) == hits[0]) & counted
    total = int(counted.sum())
    share = vars(wilson(int(right.sum()), total)) if total else None
    return {"share": share, "prompts": count}


def with_objects(count: int, seed: int) -> list[Scenes]:
    """Draw fresh scenes in chunks and keep those with a visible object."""
    chunks = []
    for scenes in fresh_scenes(count, seed):
        visible = (scenes.specs.thing < len(OBJECTS)) & scenes.masks.flatten(1).any(dim=1)
        rows = visible.nonzero().flatten()
        specs = scenes.specs.take(rows)
        chunks.append(Scenes(scenes.images[rows], scenes.masks[rows], specs))
    return chunks


def masks_found(
    network: CLIPSegForImageSegmentation, tokenizer: CLIPTokenizer, *, count: int, seed: int
) -> dict[str, object]:
    """Measure the mean IoU of predicted and exact masks, and how often absent objects have none.

    Returns:
        `iou`: mean, its 95 % interval and the number of scenes; `absent`: the share of scenes in
        which the predicted mask of an absent object covers less than 0.5 % of the image.
    """
    overlaps, empty, generator = [], 0, make_generator(seed + 1)
    for scenes in with_objects(count, seed):
        thing = scenes.specs.thing
        words = [OBJECTS[label] for label in thing.tolist()]
        masks = segmenter.segment(network, tokenizer, scenes.images, words)
        both = (masks & scenes.masks).sum(dim=(1, 2))
        overlaps.append(both / (masks | scenes.masks).sum(dim=(1, 2)))
        other = thing + 1 + choose(len(thing), len(OBJECTS) - 1, generator=generator)
        wrong = [OBJECTS[label] for label in (other % len(OBJECTS)).tolist()]
        masks = segmenter.segment(network, tokenizer, scenes.images, wrong)
        empty += int((masks.float().mean(dim=(1, 2)) < 0.005).sum())
    values = torch.cat(overlaps).double()
    return {"iou": mean_of(values), "absent": vars(wilson(empty, len(values)))}


def depth_order(estimate: Callable[[Tensor], Tensor], *, count: int, seed: int) -> dict[str, Share]:
    """Measure how often the estimate orders two things correctly by nearness.

    Args:
        estimate: Images (B, 3, 64, 64) -> nearness (B, 64, 64), larger is nearer.
        count: Number of scenes.
        seed: Seed of the scenes.

    Returns:
        `objects`: the objects of two scenes, by their median; `background`: an object and one
        pixel next to it. Pairs count if the exact values differ by at least `LEAST_DIFFERENCE`.
    """
    generator = make_generator(seed + 1)
    objects, points = [], []
    for scenes in with_objects(count, seed):
        masks, estimated = scenes.masks, estimate(scenes.images)
        exact = depth.depth_map(scenes.specs, masks)
        medians = [near[mask].median() for near, mask in zip(estimated, masks, strict=True)]
        nearness = torch.stack([depth.object_nearness(scenes.specs.depth), torch.stack(medians)])
        objects.append(nearness)
        pixel = torch.multinomial((~masks).flatten(1).float(), 1, generator=generator)
        maps = (exact, estimated)
        beside = torch.stack([near.flatten(1).gather(1, pixel)[:, 0] for near in maps])
        points.append(nearness - beside)
    both = torch.cat(objects, dim=1)
    pairs = both[:, 0 : both.shape[1] // 2 * 2 : 2] - both[:, 1::2]
    return {"objects": _in_order(pairs), "background": _in_order(torch.cat(points, dim=1))}


def _in_order(differences: Tensor) -> Share:
    """Share of pairs whose estimated difference (row 1) has the sign of the exact one (row 0)."""
    exact, estimated = differences
    counted = exact.abs() >= LEAST_DIFFERENCE
    right = (exact.sign() == estimated.sign()) & counted
    return wilson(int(right.sum()), int(counted.sum()))


def measure_depth(
    network: DepthAnythingForDepthEstimation, *, count: int, seed: int
) -> dict[str, Share]:
    """Measure `depth_order` of a network."""
    return depth_order(lambda images: depth.estimate(network, images), count=count, seed=seed)


def weights_sha256() -> dict[str, str]:
    """Compute the sha256 of each judge's weights, for which the numbers hold.

    Example:
        >>> list(weights_sha256())
        ['clip', 'preference', 'segmenter', 'depth']
    """
    return {folder.name: sha256_of_file(next(folder.glob("*.safetensors"))) for folder in JUDGES}


def main() -> None:
    """Run from the command line and write `seedling/figures/judges.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="scenes, and pairs per kind")
    parser.add_argument("--drawn", type=int, default=512, help="prompts that the model draws twice")
    parser.add_argument("--model", choices=VARIANTS, default="seedling")
    parser.add_argument("--seed", type=int, default=91)
    parser.add_argument("--out", type=Path, default=FIGURES / "judges.json")
    options = parser.parse_args()
    count, seed = options.count, options.seed
    clip = preference.load_judge(preference.CLIP)
    judge = preference.load_judge(preference.PREFERENCE)
    pipe, guidance = load_shipped(options.model), VARIANTS[options.model].guidance
    drawn = preferred_drawn(judge, pipe, count=options.drawn, seed=seed + 2, guidance=guidance)
    pairs = preferred(judge, pipe.vae, each=count, seed=seed + 1)
    order = measure_depth(depth.load_network(), count=count, seed=seed + 3)
    figures = {
        "weights": weights_sha256(),
        "clip_retrieval": vars(retrieval(clip, rounds=max(1, count // CHOICES), seed=seed)),
        "preference_retrieval": vars(retrieval(judge, rounds=max(1, count // CHOICES), seed=seed)),
        "preference_pairs": {name: vars(share) for name, share in pairs.items()},
        "preference_drawn": drawn,
        "drawn_by": options.model,
        "depth_order": {name: vars(share) for name, share in order.items()},
        "masks": masks_found(*segmenter.load_segmenter(), count=count, seed=seed + 4),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.out, figures)
    say(figures)


if __name__ == "__main__":
    main()
