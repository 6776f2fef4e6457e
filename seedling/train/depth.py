"""Train the depth network on the world's exact geometry: `python -m seedling.train.depth`."""

import argparse
from pathlib import Path

from transformers import DepthAnythingForDepthEstimation

from seedling.files import CHECKPOINTS
from seedling.learning.degrade import augmented
from seedling.learning.loop import Budget, Loop
from seedling.networks import depth
from seedling.randomness import make_generator
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import draw_parts


def train(
    *, budget: Budget, seed: int = 51, batch: int = 64, folder: Path = CHECKPOINTS
) -> DepthAnythingForDepthEstimation:
    """Train the depth network, or resume an interrupted training.

    Args:
        budget: How long, and the learning rate.
        seed: Seed of the scenes; initial weights come from torch's global stream.
        batch: Scenes per step.
        folder: Folder of the checkpoint `depth.pt`.

    Returns:
        The network in eval mode.
    """
    network = depth.new_network()
    generator = make_generator(seed)
    loop = Loop("depth", {"depth": network}, budget, generator, folder=folder, muon=True)
    while loop.running():
        scenes = draw_scenes(draw_parts(batch, generator=generator), generator=generator)
        exact = depth.depth_map(scenes.specs, scenes.masks)
        predicted = depth.nearness(network, augmented(scenes.images, generator=generator))
        loop.step(depth.depth_loss(predicted, exact, scenes.masks))
    loop.finish()
    return network.eval()


def main() -> None:
    """Run from the command line and publish the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=68.0)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=51)
    parser.add_argument("--folder", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    budget = Budget(options.minutes, options.rate)
    depth.publish(train(budget=budget, seed=options.seed, folder=options.folder))


if __name__ == "__main__":
    main()
