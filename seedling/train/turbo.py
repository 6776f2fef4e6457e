"""Distil the one-step model `seedling-turbo`: `python -m seedling.train.turbo --minutes 30`.

DDIM is deterministic: noise and prompt determine the image (Song et al. 2021, arXiv:2010.02502).
The seedling therefore draws the final latents of many (seed, prompt) pairs once, with guidance,
and a copy of it learns to map the noise to those latents in one step (Luhman and Luhman 2021,
"Knowledge Distillation in Iterative Generative Models", arXiv:2101.02388, section 3). The
regression needs no teacher during training, and the turbo's image of a seed resembles the
seedling's image of that seed. The loss is pseudo-Huber's distance instead of their squared one, so
that a few unpredictable pairs do not blur the rest (Song and Dhariwal 2023, arXiv:2310.14189,
section 3.3). The seeds of the pairs lie beyond those of any study here. Distribution matching then
sharpens the images that regression leaves soft, see `learning/match_distribution.py`.

The copy predicts the clean latents, `prediction_type="sample"`: pure noise contains no information
about them, and dividing by the small signal left at the last step would amplify the error. Its last
layer starts at 0; all other weights are the seedling's. `new_scheduler` makes the schedule whose
single step from the last time returns the network's output exactly.
"""

import copy
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from seedling.files import WEIGHTS, say
from seedling.learning.fitting import Rows, Settings, fit, joined, load_or_make, settings_of
from seedling.learning.loop import Loop
from seedling.learning.match_distribution import empty_states, follower_loss, guided, matching_loss
from seedling.learning.relatives import Base, load_base, new_parser, publish
from seedling.learning.teacher import (
    DRAWN_TOGETHER,
    FIRST_SEED,
    GUIDANCE,
    STEPS,
    final_latents,
    starting_noise,
)
from seedling.networks.tokenizer import token_ids
from seedling.randomness import choose, make_generator
from seedling.world.sentences import draw_parts, sentence

NAME = "seedling-turbo"
CHUNK = 512
"""Number of pairs that are drawn and written together."""
HUBER = 0.00054
"""Pseudo-Huber's constant for the root of a mean square (arXiv:2310.14189, section 3.3)."""
PAIRS_WEIGHT = 0.25
"""Weight of the pairs relative to distribution matching, from arXiv:2311.18828, section 4."""


def new_scheduler(base: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Make the one-step schedule from the seedling's.

    Its only time is the last one (`trailing`), the step ends without noise (`set_alpha_to_one`),
    and the network predicts the clean latents: DDIM's equation 12 is then
    1 * prediction + 0 * noise.

    Args:
        base: The seedling's DDIM schedule.

    Returns:
        The schedule, to be used with one step.
    """
    return DDIMScheduler.from_config(
        base.config, prediction_type="sample", timestep_spacing="trailing", set_alpha_to_one=True
    )


def new_student(unet: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Copy a noise predictor, with zeros in its last layer."""
    student = UNet2DConditionModel.from_config(unet.config)
    student.load_state_dict(unet.state_dict())
    torch.nn.init.zeros_(student.conv_out.weight)
    torch.nn.init.zeros_(student.conv_out.bias)
    return student


def draw_pairs(base: Base, number: int, *, seed: int, steps: int, guidance: float) -> Rows:
    """Draw the seedling's final latents of one chunk of pairs.

    Args:
        base: The seedling.
        number: Index of the chunk.
        seed: Seed of the prompts.
        steps: DDIM steps of the seedling.
        guidance: Its guidance scale.

    Returns:
        `seeds`, int64 (512,); `ids`, int64 (512, tokens), the prompts; `latents`, float16
        (512, 16, 8, 8).
    """
    generator = make_generator(seed + 1_000_003 * number)
    parts = draw_parts(CHUNK, generator=generator).tolist()
    wordings = choose(CHUNK, 6, generator=generator).tolist()
    prompts = [sentence(row, variant=v) for row, v in zip(parts, wordings, strict=True)]
    seeds = FIRST_SEED + CHUNK * number + torch.arange(CHUNK)
    latents = final_latents(base, prompts, seeds, steps=steps, guidance=guidance)
    ids = token_ids(base.networks.tokenizer, prompts)
    return {"seeds": seeds, "ids": ids, "latents": latents.half()}


def load_pairs(
    base: Base, settings: Settings, *, steps: int = STEPS, guidance: float = GUIDANCE
) -> Rows:
    """Read all pairs, and draw and write the chunks that are missing, one file per chunk.

    Args:
        base: The seedling.
        settings: `count` is the number of pairs; it is rounded up to whole chunks, at least two,
            because one is held out.
        steps: DDIM steps of the seedling.
        guidance: Its guidance scale.

    Returns:
        The tensors of `draw_pairs`.
    """
    folder = settings.folder / base.name_with_hash(f"{NAME}-{steps}-{guidance:g}-{settings.seed}")
    chunks = []
    for number in range(max(2, -(-settings.count // CHUNK))):
        make = partial(draw_pairs, base, number, seed=settings.seed, steps=steps, guidance=guidance)
        chunks.append(load_or_make(folder / f"{number:04}.safetensors", make))
        say(f"{NAME}: {CHUNK * (number + 1)} pairs")
    return joined(chunks)


def turbo_loss(predicted: Tensor, pairs: Rows) -> Tensor:
    """Pseudo-Huber distance of the student's latents from the seedling's.

    Args:
        predicted: Output of `predict_latents`.
        pairs: A batch of `load_pairs`.

    Returns:
        A scalar: approximately the mean over pairs of the root of their mean squared error.
    """
    error = (predicted - pairs["latents"].float()).flatten(1)
    loss: Tensor = (error.square().mean(1) + HUBER**2).sqrt().mean() - HUBER
    return loss


def encode_prompts(base: Base, pairs: Rows) -> Tensor:
    """Encode the prompts of pairs, float32 (B, tokens, D)."""
    states: Tensor = base.networks.text_encoder(pairs["ids"]).last_hidden_state
    return states


def predict_latents(base: Base, student: Any, seeds: Tensor, states: Tensor) -> Tensor:  # noqa: ANN401
    """Predict the student's latents from seeds and encoded prompts, float32 (B, 16, 8, 8)."""
    last = base.networks.scheduler.config.num_train_timesteps - 1
    predicted: Tensor = student(starting_noise(seeds), last, encoder_hidden_states=states).sample
    return predicted


@torch.no_grad()
def unexplained(base: Base, student: Any, pairs: Rows) -> float:  # noqa: ANN401
    """Share of the latents' variance that the student does not explain, on held-out pairs."""
    predicted = torch.cat(
        [
            predict_latents(base, student, seeds, states)
            for seeds, states in zip(
                torch.split(pairs["seeds"], DRAWN_TOGETHER),
                torch.split(encode_prompts(base, pairs), DRAWN_TOGETHER),
                strict=True,
            )
        ]
    )
    exact = pairs["latents"].float()
    return float((predicted - exact).square().mean() / (exact - exact.mean(0)).square().mean())


def train(base: Base, pairs: Rows, settings: Settings) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Distil the student by regression, or resume an interrupted training.

    Args:
        base: The seedling; it is not changed.
        pairs: Pairs that it learns.
        settings: Settings of the training.

    Returns:
        The student with its moving average as weights.
    """
    student = new_student(base.networks.unet)

    def loss(rows: Rows, _: torch.Generator) -> Tensor:
        return turbo_loss(
            predict_latents(base, student, rows["seeds"], encode_prompts(base, rows)), rows
        )

    return fit(base.name_with_hash(NAME), student, pairs, loss, settings)


def sharpen(base: Base, student: Any, pairs: Rows, settings: Settings) -> Any:  # noqa: ANN401
    """Continue by distribution matching, or resume an interrupted training.

    Args:
        base: The seedling; it is not changed.
        student: The student from `train`; it is changed.
        pairs: Pairs whose noises and prompts are used, and whose latents it must stay close to.
        settings: Settings of the training.

    Returns:
        The student with its moving average as weights.
    """
    teacher = guided(base, empty_states(base), GUIDANCE)
    follower = copy.deepcopy(base.networks.unet).requires_grad_()
    modules, generator = {"network": student, "follower": follower}, make_generator(settings.seed)
    name = base.name_with_hash(f"{NAME}-sharp")
    loop = Loop(name, modules, settings.budget, generator, settings.folder, ("network",), muon=True)
    while loop.running():
        indices = choose(settings.batch, len(pairs["seeds"]), generator=generator)
        rows = {key: value[indices] for key, value in pairs.items()}
        states = encode_prompts(base, rows)
        latents = predict_latents(base, student, rows["seeds"], states)
        followed = follower_loss(base, follower, latents, states, generator=generator)
        matched = matching_loss(base, teacher, follower, latents, states, generator=generator)
        # One sum trains both networks: no loss has a gradient in the other's network.
        loop.step(matched + PAIRS_WEIGHT * turbo_loss(latents, rows) + followed)
    loop.finish()
    loop.use_averages()
    return student


def main() -> None:
    """Run from the command line; the first chunk of pairs is held out."""
    parser = new_parser(__doc__, minutes=28.0, rate=4e-3, count=20_480)
    parser.add_argument("--teacher-steps", type=int, default=STEPS)
    parser.add_argument(
        "--sharp-minutes", type=float, default=28.0, help="minutes of distribution matching"
    )
    parser.add_argument("--sharp-rate", type=float, default=1e-3)
    options = parser.parse_args()
    base, settings = load_base(options.base), settings_of(options)
    pairs = load_pairs(base, settings, steps=options.teacher_steps)
    held_out = {name: value[:CHUNK] for name, value in pairs.items()}
    training = {name: value[CHUNK:] for name, value in pairs.items()}
    student = train(base, training, settings)
    say(f"held-out variance unexplained {unexplained(base, student, held_out):.3f}")
    budget = replace(settings.budget, minutes=options.sharp_minutes, rate=options.sharp_rate)
    student = sharpen(base, student, training, replace(settings, budget=budget))
    parts = {"unet": student, "scheduler": new_scheduler(base.networks.scheduler)}
    publish(parts, options.out or WEIGHTS / NAME)
    say(f"held-out variance unexplained {unexplained(base, student, held_out):.3f}")


if __name__ == "__main__":
    main()
