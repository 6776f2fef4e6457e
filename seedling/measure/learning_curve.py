"""Measure how well a model draws by training step: `python -m seedling.measure.learning_curve`.

This measures the moving averages that a training kept, all on the same held-out prompts and seeds,
and writes the shares as a table and a figure.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from seedling.files import CHECKPOINTS, FIGURES, say, write_json
from seedling.learning.loop import snapshot_steps
from seedling.learning.trained import latent_scale, load_vae, trained_networks
from seedling.measure.drawing import draw
from seedling.measure.shares import Share, accuracy
from seedling.networks.model import VARIANTS
from seedling.networks.recogniser import RECOGNISER, load_backbone, load_heads
from seedling.networks.text_to_image import new_pipe
from seedling.randomness import make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import draw_parts, sentence

Curve = dict[int, dict[str, Share]]
"""Steps -> part that the prompt names -> how often it is recognised."""


def measure(model: str, *, count: int, seed: int, folder: Path) -> tuple[Curve, dict[str, Share]]:
    """Recognise what snapshots draw, and what true scenes of the same prompts show.

    Args:
        model: One of `VARIANTS`.
        count: Number of prompts, each with its own seed.
        seed: Seed of prompts and scenes.
        folder: Folder of the snapshots, the autoencoder and the pool.

    Returns:
        The shares by step, and the shares of true scenes.
    """
    generator = make_generator(seed)
    parts = draw_parts(count, generator=generator)
    prompts, seeds = [sentence(row) for row in parts.tolist()], list(range(seed, seed + count))
    judge = load_backbone(RECOGNISER), load_heads(RECOGNISER)
    vae, scale = load_vae(folder), latent_scale(folder)
    curve: Curve = {}
    for step in snapshot_steps(model, folder):
        networks = trained_networks(model, folder, step=step)
        images = draw(new_pipe(vae, networks, scale=scale), prompts, seeds)
        curve[step] = accuracy(images, parts, *judge)
        say(f"{model} after {step} steps: {curve[step]}")
    return curve, accuracy(draw_scenes(parts, generator=generator).images, parts, *judge)


def draw_curve(curve: Curve, world: dict[str, Share], path: Path) -> None:
    """Plot the shares with their intervals, and the shares of true scenes as dotted lines."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for index, (name, limit) in enumerate(world.items()):
        shares = [shares[name] for shares in curve.values()]
        low, high = [s.low for s in shares], [s.high for s in shares]
        axes.plot(list(curve), [s.value for s in shares], color=f"C{index}", label=name)
        axes.fill_between(list(curve), low, high, color=f"C{index}", alpha=0.2)
        axes.axhline(limit.value, color=f"C{index}", linestyle=":")
    axes.set(xlabel="training steps", ylabel="share seen as asked", ylim=(0, 1.02))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=100)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=VARIANTS, default="seedling")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--seed", type=int, default=87)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    out = FIGURES / options.model
    out.mkdir(parents=True, exist_ok=True)
    curve, world = measure(
        options.model, count=options.count, seed=options.seed, folder=options.folder
    )
    rows = {step: {k: vars(v) for k, v in shares.items()} for step, shares in curve.items()}
    scenes = {k: vars(v) for k, v in world.items()}
    write_json(out / "learning_curve.json", {"steps": rows, "world": scenes})
    draw_curve(curve, world, out / "learning_curve.png")


if __name__ == "__main__":
    main()
