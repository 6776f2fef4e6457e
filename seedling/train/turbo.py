"""Distil `seedling-turbo`: `python -m seedling.train.turbo --minutes 30`, one step a picture.

DDIM makes of a seed's noise and a prompt one certain picture (Song et al. 2021, arXiv:2010.02502),
so the seedling is asked once for the final latents of many (seed, prompt) pairs, with its guidance
in them, and a copy of it learns to go from the noise to those latents in one step ("knowledge
distillation in iterative generative models", Luhman and Luhman 2021, arXiv:2101.02388, section 3).
The regression needs no teacher beside it, and the turbo's picture of a seed is the seedling's
picture of that seed. The distance is pseudo-Huber's instead of their squared one, so that the few
pairs that nobody could foresee do not blur the rest (Song and Dhariwal 2023, arXiv:2310.14189,
section 3.3). The seeds of the pairs lie beyond those of any study here. What regression leaves soft
is then made sharp by distribution matching, see `match_distribution.py`.

The copy says the clean latents themselves, `prediction_type="sample"`: from pure noise the noise
tells nothing about them, and dividing by the little signal left at the last step would enlarge the
error. Its last layer starts at 0, all else as the seedling's. `new_scheduler` is the schedule whose
single step from the last time gives back exactly what the network says.
"""

import copy
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from seedling.learning.loop import Loop
from seedling.learning.match_distribution import empty_states, follower_loss, guided, matching_loss
from seedling.learning.relatives import (
    Base,
    Rows,
    Settings,
    fit,
    joined,
    load_base,
    load_or_make,
    new_parser,
    publish,
    settings_of,
)
from seedling.learning.teacher import (
    DRAWN_TOGETHER,
    FIRST_SEED,
    GUIDANCE,
    STEPS,
    final_latents,
    starting_noise,
)
from seedling.networks.model import WEIGHTS
from seedling.networks.tokenizer import token_ids
from seedling.output import say
from seedling.randomness import choose, make_generator
from seedling.world.sentences import draw_parts, sentence

NAME = "seedling-turbo"
CHUNK = 512
"""Pairs that are drawn and written together."""
HUBER = 0.00054
"""Pseudo-Huber's constant for a root of a mean square (arXiv:2310.14189, section 3.3)."""
PAIRS_WEIGHT = 0.25
"""Weight of the pairs beside distribution matching, as arXiv:2311.18828 has it (section 4)."""


def new_scheduler(base: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Make the one-step schedule from the seedling's.

    Its only time is the last one (`trailing`), the step ends where no noise is left
    (`set_alpha_to_one`), and the network says the clean latents: DDIM's equation 12 is then
    1 * said + 0 * noise.

    Args:
        base: The seedling's DDIM schedule.

    Returns:
        The schedule, to be used with one step.
    """
    return DDIMScheduler.from_config(
        base.config, prediction_type="sample", timestep_spacing="trailing", set_alpha_to_one=True
    )


def new_student(unet: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Copy a noise predictor; its last layer says 0."""
    student = UNet2DConditionModel.from_config(unet.config)
    student.load_state_dict(unet.state_dict())
    torch.nn.init.zeros_(student.conv_out.weight)
    torch.nn.init.zeros_(student.conv_out.bias)
    return student


def draw_pairs(base: Base, number: int, *, seed: int, steps: int, guidance: float) -> Rows:
    """Ask the seedling for the final latents of one chunk of pairs.

    Args:
        base: The seedling.
        number: Which chunk.
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
    """Draw all pairs, or those that are not there yet: one file a chunk.

    Args:
        base: The seedling.
        settings: `count` pairs, rounded up to whole chunks, two at least: one is held out.
        steps: DDIM steps of the seedling.
        guidance: Its guidance scale.

    Returns:
        As `draw_pairs`.
    """
    folder = settings.folder / base.own_name(f"{NAME}-{steps}-{guidance:g}-{settings.seed}")
    chunks = []
    for number in range(max(2, -(-settings.count // CHUNK))):
        make = partial(draw_pairs, base, number, seed=settings.seed, steps=steps, guidance=guidance)
        chunks.append(load_or_make(folder / f"{number:04}.safetensors", make))
        say(f"{NAME}: {CHUNK * (number + 1)} pairs")
    return joined(chunks)


def turbo_loss(said: Tensor, pairs: Rows) -> Tensor:
    """Pseudo-Huber distance of what the student says from the seedling's latents.

    Args:
        said: As `say_latents` gives it.
        pairs: A batch of `load_pairs`.

    Returns:
        A scalar: about the mean over pairs of the root of their mean squared error.
    """
    error = (said - pairs["latents"].float()).flatten(1)
    loss: Tensor = (error.square().mean(1) + HUBER**2).sqrt().mean() - HUBER
    return loss


def read(base: Base, pairs: Rows) -> Tensor:
    """The encoded prompts of pairs, float32 (B, tokens, D)."""
    states: Tensor = base.networks.text_encoder(pairs["ids"]).last_hidden_state
    return states


def say_latents(base: Base, student: Any, seeds: Tensor, states: Tensor) -> Tensor:  # noqa: ANN401
    """What the student says of seeds and encoded prompts, float32 (B, 16, 8, 8)."""
    last = base.networks.scheduler.config.num_train_timesteps - 1
    said: Tensor = student(starting_noise(seeds), last, encoder_hidden_states=states).sample
    return said


@torch.no_grad()
def unexplained(base: Base, student: Any, pairs: Rows) -> float:  # noqa: ANN401
    """Share of the latents' variance that the student misses, on pairs it did not learn from."""
    said = torch.cat(
        [
            say_latents(base, student, seeds, states)
            for seeds, states in zip(
                torch.split(pairs["seeds"], DRAWN_TOGETHER),
                torch.split(read(base, pairs), DRAWN_TOGETHER),
                strict=True,
            )
        ]
    )
    wanted = pairs["latents"].float()
    return float((said - wanted).square().mean() / (wanted - wanted.mean(0)).square().mean())


def train(base: Base, pairs: Rows, settings: Settings) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Distil the student by regression, or go on with a training that was cut off.

    Args:
        base: The seedling; it stays as it is.
        pairs: What it is to say.
        settings: How.

    Returns:
        The student with its moving average in place.
    """
    student = new_student(base.networks.unet)

    def loss(rows: Rows, _: torch.Generator) -> Tensor:
        return turbo_loss(say_latents(base, student, rows["seeds"], read(base, rows)), rows)

    return fit(base.own_name(NAME), student, pairs, loss, settings)


def sharpen(base: Base, student: Any, pairs: Rows, settings: Settings) -> Any:  # noqa: ANN401
    """Go on by distribution matching, or with a training that was cut off.

    Args:
        base: The seedling; it stays as it is.
        student: As `train` leaves it; it is changed.
        pairs: Its noises and prompts, and what it is to stay near to.
        settings: How.

    Returns:
        The student with its moving average in place.
    """
    teacher = guided(base, empty_states(base), GUIDANCE)
    follower = copy.deepcopy(base.networks.unet).requires_grad_()
    modules, generator = {"network": student, "follower": follower}, make_generator(settings.seed)
    name = base.own_name(f"{NAME}-sharp")
    loop = Loop(name, modules, settings.budget, generator, settings.folder, ("network",), muon=True)
    while loop.running():
        which = choose(settings.batch, len(pairs["seeds"]), generator=generator)
        rows = {key: value[which] for key, value in pairs.items()}
        states = read(base, rows)
        said = say_latents(base, student, rows["seeds"], states)
        followed = follower_loss(base, follower, said, states, generator=generator)
        matched = matching_loss(base, teacher, follower, said, states, generator=generator)
        # One sum for both: neither's gradient reaches the other's network.
        loop.step(matched + PAIRS_WEIGHT * turbo_loss(said, rows) + followed)
    loop.finish()
    loop.use_averages()
    return student


def main() -> None:
    """Run from the command line; the first chunk of pairs is held out."""
    parser = new_parser(__doc__, minutes=28.0, rate=4e-3, count=20_480)
    parser.add_argument("--teacher-steps", type=int, default=STEPS)
    parser.add_argument("--sharp-minutes", type=float, default=28.0, help="of matching")
    parser.add_argument("--sharp-rate", type=float, default=1e-3)
    chosen = parser.parse_args()
    base, settings = load_base(chosen.base), settings_of(chosen)
    pairs = load_pairs(base, settings, steps=chosen.teacher_steps)
    held_out = {name: value[:CHUNK] for name, value in pairs.items()}
    learned = {name: value[CHUNK:] for name, value in pairs.items()}
    student = train(base, learned, settings)
    say(f"held-out variance unexplained {unexplained(base, student, held_out):.3f}")
    budget = replace(settings.budget, minutes=chosen.sharp_minutes, rate=chosen.sharp_rate)
    student = sharpen(base, student, learned, replace(settings, budget=budget))
    parts = {"unet": student, "scheduler": new_scheduler(base.networks.scheduler)}
    publish(parts, chosen.out or WEIGHTS / NAME)
    say(f"held-out variance unexplained {unexplained(base, student, held_out):.3f}")


if __name__ == "__main__":
    main()
