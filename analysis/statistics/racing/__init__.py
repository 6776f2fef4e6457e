"""Find the best seeds from a fraction of the images, with a bound on the error.

A race looks at the seeds a few times. Before the first look, all seeds are drawn. After each look,
half of the seeds go on: the seeds near the boundary of the list, because it is least certain
whether they belong to the list. (After Karnin, Koren and Somekh 2013, "Almost optimal exploration
in multi-armed bandits", applied to lists of many seeds as in Bubeck, Wang and Viswanathan 2013,
"Multiple identifications in multi-armed bandits".) Any heuristic may choose the seeds that go on,
because the error bound does not depend on the choice.

The bound: at each planned look, each seed has a t interval of its deviation at level
1 - error / (seeds x looks). By the union bound, all intervals of all seeds and looks hold
simultaneously with probability 1 - error, however the seeds were chosen and whenever the race
stops. A seed is *certain* if fewer than `top` other seeds can be better. Confidence sequences
(Howard et al. 2021, arXiv:1810.08240) would allow a look after each image. With few planned looks
the union bound is narrower, and t intervals need neither a bound on the values nor a guess of
their variance, which normal-mixture confidence sequences need.

An observation is a *unit*: the images of a few prompts. Units that share prompt groups form a
*bundle*. The list weights all units equally, but all errors are computed from bundles, since
bundles are independent and the units of a bundle are not. All seeds see the same prompts. A
*panel* of seeds is drawn to the end; its mean is subtracted, which removes the effects of the
prompts that are common to all seeds.
"""

from analysis.statistics.racing.bounds import certainly_top
from analysis.statistics.racing.plan import Look, Plan, plan_race
from analysis.statistics.racing.race import Observe, RaceResult, run_race, uniform_error

__all__ = [
    "Look",
    "Observe",
    "Plan",
    "RaceResult",
    "certainly_top",
    "plan_race",
    "run_race",
    "uniform_error",
]
