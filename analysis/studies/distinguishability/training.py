"""Training that goes on after a kill, from safetensors checkpoints, and gives the same weights."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch.nn import functional

from analysis.studies.distinguishability.network import make_network, pixels_of
from analysis.studies.distinguishability.pace import Pace
from analysis.studies.distinguishability.stream import Ints, Pictures, Stream
from pipeline.errors import RunError
from pipeline.noise import make_generators
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.layout import CLASSIFIERS_FOLDER
from pipeline.stage import Uint8Images

Change = Callable[[Uint8Images], Uint8Images]


@dataclass(frozen=True)
class Course:
    """How a classifier is trained.

    Attributes:
        backbone: See `make_network`.
        epochs: Passes over the training pictures.
        batch_size: Pictures in a step.
        learning_rate: Its highest; it rises over the first tenth of the steps, then falls to 0
            as a cosine.
        weight_decay: Of AdamW.
        label_smoothing: Share of the label that goes to all seeds alike. Without it a network that
            is sure of every training picture meets new prompts badly: of 150 prompts of objects
            that 128 seeds of seedling-turbo were not trained on (42 training prompts, 18 epochs)
            it told 98.0 % with 0, 99.5 % with 0.1, 99.6 % with 0.2, 99.7 % with 0.3. In short
            trainings (24 seeds, 58 steps) it costs a little.
        checkpoint_every: Steps from one checkpoint to the next; the end of an epoch is one too.
        device: "cpu", or a CUDA device.
    """

    backbone: str = "small"
    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.2
    checkpoint_every: int = 500
    device: str = "cpu"


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        epoch: Epochs that are done.
        step: Steps of the running epoch that are done.
        right: Pictures of the running epoch told right, while the network learned from them.
        seen: Pictures of the running epoch.
        history: Of each epoch done: epoch, training_top1, validation_top1.
    """

    epoch: int = 0
    step: int = 0
    right: int = 0
    seen: int = 0
    history: tuple[dict[str, float], ...] = ()


@dataclass
class Classifier:
    """A network in training, or done.

    Args:
        course: How to train.
        train: The pictures to learn from.
        validation: Those to look at after each epoch; never learned from.
        entropy: Names the random streams: weights, order of pictures, dropout.
        owners: Shape (P, S) for the training stream: the label given to the image of each prompt
            and seed. None for the truth.
        name: What is trained, for the lines that say how far it is.

    Attributes:
        network: The network.
        progress: How far it is.
    """

    course: Course
    train: Stream
    validation: Stream
    entropy: tuple[int, ...]
    owners: Ints | None = None
    name: str = "seed classifier"
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        with borrowed_stream(self._number("weights")):
            network = make_network(self.course.backbone, len(self.train.seeds))
        self.network = network.to(self.course.device)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.course.learning_rate,
            weight_decay=self.course.weight_decay,
        )

    def fit(self, *, stop_after: int | None = None) -> "Classifier":
        """Train to the end, or go on where the last checkpoint stands.

        Args:
            stop_after: Leave after so many steps, as a kill would; for tests.
        """
        self._load()
        left, cells = stop_after, self.train.cells
        pace = Pace(self.name, self.course.epochs * cells)
        while self.progress.epoch < self.course.epochs:
            for pictures in self._rest_of_epoch():
                if left == 0:
                    return self
                self._step(pictures)
                now = self.progress
                pace.tell(now.epoch * cells + now.seen, now.right / now.seen)
                left = None if left is None else left - 1
                if self.progress.step % self.course.checkpoint_every == 0:
                    self._save()
            self._end_epoch()
        self.network.eval()
        return self

    def top1(self, stream: Stream, change: Change | None = None) -> "Answers":
        """What the network says of a stream's pictures; see `Answers`."""
        said = np.full((len(stream.prompts), len(stream.seeds)), -1, dtype=np.int64)
        self.network.eval()
        for pictures in stream.batches(2 * self.course.batch_size):
            images = pictures.images if change is None else change(pictures.images)
            with torch.inference_mode():
                logits = self.network(pixels_of(images, self.course.device))
            said[pictures.prompts, pictures.seeds] = logits.argmax(dim=1).cpu().numpy()
        return Answers(stream, said)

    def _rest_of_epoch(self) -> Iterator[Pictures]:
        rng = np.random.default_rng([self._number("order"), self.progress.epoch])
        batches = self.train.batches(self.course.batch_size, rng)
        for _ in range(self.progress.step):
            next(batches, None)
        return batches

    def _step(self, pictures: Pictures) -> None:
        progress = self.progress
        for group in self._optimiser.param_groups:
            group["lr"] = self.course.learning_rate * self._rate(progress)
        owned = pictures.seeds
        if self.owners is not None:
            owned = self.owners[pictures.prompts, pictures.seeds]
        labels = torch.from_numpy(owned).to(self.course.device)
        self.network.train()
        with borrowed_stream(self._number(f"step {progress.epoch} {progress.step}")):
            logits = self.network(pixels_of(pictures.images, self.course.device))
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.course.label_smoothing)
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._optimiser.step()
        right = int((logits.argmax(dim=1) == labels).sum())
        self.progress = replace(
            progress,
            step=progress.step + 1,
            right=progress.right + right,
            seen=progress.seen + len(labels),
        )

    def _rate(self, progress: Progress) -> float:
        """Share of the learning rate at this step, in [0, 1]."""
        each = -(-self.train.cells // self.course.batch_size)
        done = (progress.epoch * each + progress.step + 1) / (self.course.epochs * each + 1)
        return min(done / 0.1, float(0.5 + 0.5 * np.cos(np.pi * max(done - 0.1, 0) / 0.9)))

    def _end_epoch(self) -> None:
        done, answers = self.progress, self.top1(self.validation)
        line = {
            "epoch": done.epoch + 1,
            "training_top1": done.right / max(done.seen, 1),
            "validation_top1": float(np.mean(answers.right()[0])),
        }
        self.progress = Progress(epoch=done.epoch + 1, history=(*done.history, line))
        self._save()

    def _number(self, part: str) -> int:
        """A number in [0, 2**32) for a random stream of its own."""
        text = f"{self.entropy} {part}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    @property
    def key(self) -> str:
        """Where the checkpoint lies in the run folder: a name of everything that decides it."""
        course = asdict(self.course)
        del course["checkpoint_every"]
        owners = None if self.owners is None else self.owners.tolist()
        parts = [course, self.train.seeds, owners, self.entropy, _ids(self.train)]
        text = json.dumps([*parts, _ids(self.validation), self.train.run.run_id])
        return f"{CLASSIFIERS_FOLDER}/{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"

    def _save(self) -> None:
        tensors = {f"network.{k}": v.contiguous() for k, v in self.network.state_dict().items()}
        for place, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{place}.{k}": v.contiguous() for k, v in state.items()}
        told = {"progress": asdict(self.progress), "seeds": self.train.seeds}
        # One entry: safetensors writes several in no fixed order, and bytes must be the same.
        self.train.run.store.replace(self.key, save(tensors, {"goldenseed": json.dumps(told)}))

    def _load(self) -> None:
        """Take up the checkpoint, if there is one."""
        path = self.train.run.store.path(self.key)
        if not path.is_file():
            return
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                told = json.loads(file.metadata()["goldenseed"])["progress"]
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is damaged ({error}); remove it, then repeat") from error
        self.progress = Progress(**{**told, "history": tuple(told["history"])})
        self.network.load_state_dict(_under(tensors, "network."))
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _under(tensors, "optimiser.").items():
            place, _, entry = name.partition(".")
            state.setdefault(int(place), {})[entry] = tensor
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.network.eval()


@dataclass(frozen=True)
class Answers:
    """What a network said of the pictures of a stream.

    Attributes:
        stream: The stream.
        said: (P, S) the seed's place that was said of each prompt and seed; -1 where there is no
            picture.
    """

    stream: Stream
    said: Ints

    def groups(self) -> NDArray[np.str_]:
        """The group of each picture's prompt, shape (P, S)."""
        each = np.array([prompt.group for prompt in self.stream.prompts], dtype=np.str_)
        return np.broadcast_to(each[:, None], self.said.shape)

    def right(self) -> tuple[NDArray[np.bool_], NDArray[np.str_]]:
        """Whether each picture was told right, shape (n,), and the group of its prompt."""
        there = self.said >= 0
        return (self.said == np.arange(self.said.shape[1]))[there], self.groups()[there]

    def of_prompts(self, prompts: Sequence[Prompt]) -> "Answers | None":
        """The answers for some prompts, in their order; None if one of them is not there."""
        place = {prompt.id: i for i, prompt in enumerate(self.stream.prompts)}
        if not all(prompt.id in place for prompt in prompts):
            return None
        rows = [place[prompt.id] for prompt in prompts]
        return Answers(replace(self.stream, prompts=tuple(prompts)), self.said[rows])


@contextmanager
def borrowed_stream(seed: int) -> Iterator[None]:
    """Inside, torch's own CPU stream is that of a seed; afterwards it is as it was before.

    Args:
        seed: In [0, 2**32).

    Example:
        >>> with borrowed_stream(7):
        ...     first = torch.rand(2)
        >>> with borrowed_stream(7):
        ...     print(bool(torch.equal(first, torch.rand(2))))
        True
    """
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(make_generators([seed])[0].get_state())
        yield


def _ids(stream: Stream) -> list[str]:
    return [prompt.id for prompt in stream.prompts]


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Those whose names begin with a prefix, without it."""
    found = tensors.items()
    return {name.removeprefix(prefix): t for name, t in found if name.startswith(prefix)}
