"""Time diffusion models of full size on a GPU, with random weights and without a download.

Three sides take turns, each median of at least five: diffusers' pipeline with one image per call
(the loop that people write), the same with a batch per call, and ours: the batch with the kernels
that goldenseed's recipe fields choose (compiled, channels last, the autoencoder in bfloat16). Each
side is told in images per second, and ours also as the share of the rate at which this GPU
multiplies matrices of bfloat16 in the same run, with the share of the time that decoding takes and
that in which the GPU computes.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --models sdxl-turbo --batch 32

It needs a GPU, and prints one line of JSON for each model.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_models import SUBJECTS, Subject
from benchmarks.harness import report
from pipeline.models.kernels import tune
from pipeline.noise import draw_noise
from pipeline.settings.config import RunConfig

GOALS = {"sd2-base": ("utilisation", 0.5), "sdxl-turbo": ("images_per_second", 75.0)}
"""Model -> the figure that has a goal on one H100 or H200, and the goal."""
MATRIX = 8192
"""Side of the matrices whose product gives the rate that a GPU can reach."""


@dataclass(frozen=True)
class Figures:
    """What one model reaches.

    Attributes:
        loop: Images per second with one image per call.
        batched: Images per second with a batch per call.
        ours: Images per second with goldenseed's kernels.
        tflop: Floating-point operations of an image, in 1e12.
        decode: Share of our time that the autoencoder takes.
        busy: Share of our time in which the device computes; None on a CPU.
    """

    loop: float
    batched: float
    ours: float
    tflop: float
    decode: float
    busy: float | None


def synchronised(device: torch.device) -> float:
    """The time at which all work of a device is done, in seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Wall seconds of one call, with the work that it leaves to the device."""
    start = synchronised(device)
    work()
    return synchronised(device) - start


def matrix_rate(device: torch.device, dtype: torch.dtype, side: int = MATRIX) -> float:
    """Floating-point operations per second of a product of matrices, the median of 20."""
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    times = [seconds(lambda: a @ b, device) for _ in range(23)][3:]
    return 2 * side**3 / statistics.median(times)


@dataclass
class Side:
    """A pipeline that draws a number of images per call.

    Attributes:
        subject: The model.
        pipe: Its pipeline.
        count: Images per call.
        shape: (C, h, w) of one image's latents.
    """

    subject: Subject
    pipe: Any
    count: int
    shape: tuple[int, int, int]

    @torch.inference_mode()
    def __call__(self) -> torch.Tensor:
        """Draw, from seeds as goldenseed does; returns (count, 3, H, W) in [0, 1]."""
        device, dtype = self.pipe.device, getattr(self.pipe, self.subject.denoiser).dtype
        noise, generators = draw_noise(list(range(self.count)), self.shape, spec="torch-cpu")
        with device:
            texts = {name: _cast(value, dtype) for name, value in self._texts().items()}
        images: torch.Tensor = self.pipe(
            **texts,
            **self.subject.call,
            **self._start(noise.to(device)),
            generator=generators,
            height=self.subject.size,
            width=self.subject.size,
            output_type="pt",
            return_dict=False,
        )[0]
        return images

    def _texts(self) -> dict[str, Any]:
        return self.subject.embeddings(self.count)

    def _start(self, noise: torch.Tensor) -> dict[str, torch.Tensor]:
        """The starting noise, as the pipeline takes it."""
        if self.subject.pipeline == "QwenImagePipeline":
            noise = self.pipe._pack_latents(noise, *noise.shape)
        wants = torch.float32 if self.subject.pipeline == "ZImagePipeline" else None
        dtype = wants or getattr(self.pipe, self.subject.denoiser).dtype
        return {"latents": noise.to(dtype)}


def _cast(value: Any, dtype: torch.dtype) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_cast(part, dtype) for part in value]
    return value.to(dtype) if value.is_floating_point() else value


def latents_shape(pipe: Any, size: int) -> tuple[int, int, int]:  # noqa: ANN401
    """(C, h, w) of the latents that the call of a pipeline takes for one image."""
    name = type(pipe).__name__
    if name == "Flux2KleinPipeline":  # patches of 2 x 2 are channels
        return int(pipe.transformer.config.in_channels), size // 16, size // 16
    denoiser = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
    channels = int(denoiser.config.in_channels)
    if name == "QwenImagePipeline":
        channels //= 4
    factor = int(pipe.vae_scale_factor)
    return channels, size // factor, size // factor


def tuned(pipe: Any, dtype: str) -> None:  # noqa: ANN401
    """Choose goldenseed's kernels for a pipeline."""
    kernels = {"compiled": True, "channels_last": True}
    fields = dict.fromkeys(("card", "card_sha256", "scheduler"), "")
    sizes = dict.fromkeys(("height", "width", "num_inference_steps", "batch_size"), 1)
    tune(pipe, RunConfig(**fields, **sizes, guidance_scale=1.0, dtype=dtype, **kernels))  # type: ignore[arg-type]


def decoding(pipe: Any, work: Callable[[], object]) -> float:  # noqa: ANN401
    """Share of a call's time that the autoencoder's decoder takes."""
    decode, spent = pipe.vae.decode, []

    def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        start = synchronised(pipe.device)
        output = decode(*args, **kwargs)
        spent.append(synchronised(pipe.device) - start)
        return output

    pipe.vae.decode = timed
    try:
        whole = seconds(work, pipe.device)
    finally:
        pipe.vae.decode = decode
    return sum(spent) / whole


def busy(work: Callable[[], object], device: torch.device) -> float | None:
    """Share of a call's time in which a GPU computes."""
    if device.type != "cuda":
        return None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        whole = seconds(work, device)
    used = sum(event.self_device_time_total for event in profile.key_averages())
    return float(used / 1e6 / whole)


def measure(subject: Subject, device: torch.device, dtype: str, batch: int, pairs: int) -> Figures:
    """Measure one model: build it, warm up each side, and let the sides take turns."""
    pipe = subject.build(device, getattr(torch, dtype))
    shape = latents_shape(pipe, subject.size)
    loop, batched = (Side(subject, pipe, count, shape) for count in (1, batch))
    with FlopCounterMode(display=False) as counter:
        loop()
    own = subject.build(device, getattr(torch, dtype))
    tuned(own, dtype)
    ours = Side(subject, own, batch, shape)
    sides = {"loop": loop, "batched": batched, "ours": ours}
    for side in sides.values():
        side()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for pair in range(pairs):
        for name in sides if pair % 2 == 0 else reversed(sides):
            times[name].append(seconds(sides[name], device) / sides[name].count)
    rates = {name: 1 / statistics.median(each) for name, each in times.items()}
    tflop = counter.get_total_flops() / 1e12
    return Figures(**rates, tflop=tflop, decode=decoding(own, ours), busy=busy(ours, device))


def tell(name: str, figures: Figures, rate: float, batch: int, pairs: int) -> int:
    """Print one model's line; returns the exit code."""
    utilisation = figures.ours * figures.tflop * 1e12 / rate
    reached = {"utilisation": utilisation, "images_per_second": figures.ours}
    what, goal = GOALS.get(name, ("images_per_second", 0.0))
    return report(
        benchmark="gpu",
        ours=figures.ours,
        peer=figures.batched,
        unit="images/s",
        ratio=figures.ours / figures.batched,
        goal=goal,
        runs=pairs,
        ok=reached[what] >= goal,
        more={
            "model": name, "goal_of": what, "batch": batch, "loop": figures.loop,
            "tflop_per_image": figures.tflop, "matrix_tflop_per_second": rate / 1e12,
            "utilisation": utilisation, "share_decoding": figures.decode,
            "share_busy": figures.busy, "device": torch.cuda.get_device_name()
            if torch.cuda.is_available() else "cpu",
        },
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the models that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=5)
    chosen = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        sys.stderr.write("found no GPU; this benchmark times models of full size, which need one\n")
        return 2
    device, dtype = torch.device("cuda"), "bfloat16"
    rate = matrix_rate(device, torch.bfloat16)
    codes = []
    for name in chosen.models:
        figures = measure(SUBJECTS[name], device, dtype, chosen.batch, chosen.pairs)
        codes.append(tell(name, figures, rate, chosen.batch, chosen.pairs))
        torch.cuda.empty_cache()
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
