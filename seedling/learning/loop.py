"""The training loop of all commands: wall-clock schedule, checkpoints, progress, averages."""

import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seedling.files import CHECKPOINTS, say
from seedling.learning.muon import MuonWithAdamW

SNAPSHOT_STEPS = 1_000
"""The moving averages are kept every so many steps, so that a learning curve can be drawn."""
BETAS = (0.9, 0.95)
"""AdamW's decay rates."""


@dataclass(frozen=True)
class Budget:
    """How long to train, and how the learning rate changes over that time.

    Attributes:
        minutes: Wall-clock minutes in total, including the time before an interruption.
        rate: The highest learning rate.
        warmup: Share of the time in which the rate rises to `rate`; then it falls to 0 (cosine).
        steps: Stop after this many steps if that is earlier; None leaves it to the clock.
        save_seconds: Seconds between checkpoints.
        report_seconds: Seconds between progress lines.
    """

    minutes: float
    rate: float
    warmup: float = 0.02
    steps: int | None = None
    save_seconds: float = 60.0
    report_seconds: float = 15.0

    def share(self, *, step: int, elapsed: float) -> float:
        """Share of the budget that is used, in [0, 1]."""
        by_steps = step / self.steps if self.steps else 0.0
        return min(1.0, max(elapsed / (60 * self.minutes), by_steps))

    def rate_at(self, share: float) -> float:
        """Learning rate after a share of the budget.

        Example:
            >>> Budget(minutes=1, rate=2.0, warmup=0.5).rate_at(0.25)
            1.0
            >>> Budget(minutes=1, rate=2.0).rate_at(1.0)
            0.0
        """
        if share < self.warmup:
            return self.rate * share / self.warmup
        return self.rate * 0.5 * (1 + math.cos(math.pi * (share - self.warmup) / (1 - self.warmup)))


@dataclass
class Loop:
    """The state of one training: modules, optimiser, step and time. It saves and resumes itself.

    Use as `while loop.running(): ... loop.step(loss)`, then `loop.finish()`.

    Attributes:
        name: Name of the checkpoint file.
        modules: What is trained, by name.
        budget: How long to train, and the learning rate.
        generator: The stream that scenes and noise come from; its state is saved too.
        folder: Folder of checkpoints.
        averaged: Names of the modules of which an exponential moving average is kept.
        muon: Whether matrices are updated by Muon instead of AdamW.
    """

    name: str
    modules: dict[str, nn.Module]
    budget: Budget
    generator: torch.Generator
    folder: Path = CHECKPOINTS
    averaged: tuple[str, ...] = ()
    muon: bool = False
    decay: float = 0.999
    steps_done: int = 0
    elapsed: float = 0.0
    losses: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the optimiser and resume from an earlier checkpoint if there is one."""
        self.weights = [p for module in self.modules.values() for p in module.parameters()]
        self.optimiser = (
            MuonWithAdamW(self.modules, betas=BETAS)
            if self.muon
            else torch.optim.AdamW(self.weights, lr=0.0, betas=BETAS, weight_decay=0.0)
        )
        self.averages = {name: _copied(self.modules[name]) for name in self.averaged}
        self._since_report: list[float] = []
        if self.path.exists():
            self._load()
        self._last = self._saved = self._reported = time.monotonic()
        self._report_step = self.steps_done

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return self.folder / f"{self.name}.pt"

    def running(self) -> bool:
        """Whether any of the budget is left."""
        return self.budget.share(step=self.steps_done, elapsed=self.elapsed) < 1

    def step(self, loss: Tensor) -> None:
        """Take one optimiser step, with the gradient's norm clipped at 1; report and save.

        Raises:
            FloatingPointError: If loss or gradient are not finite; weights and checkpoint are
                intact, so the training can continue with a lower rate.
        """
        share = self.budget.share(step=self.steps_done, elapsed=self.elapsed)
        for group in self.optimiser.param_groups:
            group["lr"] = self.budget.rate_at(share)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.weights, 1.0)
        if not bool(norm.isfinite() & loss.isfinite()):
            raise FloatingPointError(
                f"{self.name}: loss {float(loss.detach())}, gradient norm {float(norm)} at step "
                f"{self.steps_done}; both must be finite: resume from the checkpoint with a lower "
                f"--rate than {self.budget.rate:g}"
            )
        self.optimiser.step()
        self.steps_done += 1
        self._average()
        self._since_report.append(float(loss.detach()))
        self._tick()

    def finish(self) -> None:
        """Report and save the final state."""
        self._report()
        self.save()

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part")
        with aside.open("wb") as file:
            torch.save(self._state(), file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)

    def use_averages(self) -> None:
        """Replace the trained weights by their moving averages."""
        for name, average in self.averages.items():
            self.modules[name].load_state_dict(average)

    def _average(self) -> None:
        decay = min(self.decay, (1 + self.steps_done) / (10 + self.steps_done))
        for name, average in self.averages.items():
            for key, value in self.modules[name].state_dict().items():
                if value.is_floating_point():
                    average[key].lerp_(value, 1 - decay)

    def _tick(self) -> None:
        current = time.monotonic()
        self.elapsed += current - self._last
        self._last = current
        if current - self._reported > self.budget.report_seconds:
            self._report()
        if current - self._saved > self.budget.save_seconds:
            self.save()
            self._saved = time.monotonic()

    def _report(self) -> None:
        current = time.monotonic()
        if not self._since_report:
            return
        mean = sum(self._since_report) / len(self._since_report)
        pace = (self.steps_done - self._report_step) / max(current - self._reported, 1e-9)
        left = 60 * self.budget.minutes - self.elapsed
        self.losses.append((self.elapsed, mean))
        say(
            f"{self.name}: step {self.steps_done}, loss {mean:.4f}, {pace:.2f} steps/s, "
            f"{max(left, 0):.0f} s left"
        )
        self._since_report = []
        self._reported, self._report_step = current, self.steps_done

    def _state(self) -> dict[str, Any]:
        return {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "averages": self.averages,
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps_done,
            "elapsed": self.elapsed,
            "losses": self.losses,
            "generator": self.generator.get_state(),
        }

    def _load(self) -> None:
        state = read_checkpoint(self.path)
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        self.averages = state["averages"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps_done, self.elapsed = state["steps"], state["elapsed"]
        self.losses = state["losses"]
        self.generator.set_state(state["generator"])
        say(f"{self.name}: resumed at step {self.steps_done}, {self.elapsed:.0f} s")


def snapshot_path(name: str, step: int, folder: Path = CHECKPOINTS) -> Path:
    """Path of a model's moving averages after a number of steps."""
    return folder / f"{name}-step-{step:06d}.pt"


def snapshot_steps(name: str, folder: Path = CHECKPOINTS) -> list[int]:
    """Steps at which moving averages were kept, in order."""
    paths = folder.glob(snapshot_path(name, 0, folder).name.replace("000000", "*"))
    return sorted(int(path.stem.rpartition("-")[2]) for path in paths)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what a training wrote: its whole state, or the averages of one step.

    Optimiser states and histories are not named tensors, so this is not a safetensors file;
    `weights_only=True` builds tensors and plain values and executes nothing from the file.
    """
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
