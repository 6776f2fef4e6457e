"""Train a seed classifier, resuming from safetensors checkpoints with the same final weights."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch.nn import functional

from analysis.studies.distinguishability.answers import Answers
from analysis.studies.distinguishability.course import Course, Progress
from analysis.studies.distinguishability.network import make_network, pixels_of
from analysis.studies.distinguishability.pace import Pace
from analysis.studies.distinguishability.stream import ImageBatch, Ints, Stream
from pipeline.errors import RunError
from pipeline.noise import make_generators
from pipeline.runs.layout import CLASSIFIERS_FOLDER
from pipeline.stage import Uint8Images
from pipeline.storage.derived import damage_of, replace_file

Change = Callable[[Uint8Images], Uint8Images]


@dataclass
class Classifier:
    """A network that is being trained to name the seed of an image, or is trained.

    Args:
        course: How to train.
        train: The images to train on.
        validation: The images to test after each epoch.
        entropy: Names the random streams: weights, order of images, dropout.
        owners: Shape (P, S) for the training stream: the label of the image of each prompt and
            seed. None for the true seeds.
        name: What is trained, for the progress lines.

    Attributes:
        network: The network.
        progress: How far the training has come.
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
        """Train to the end, resuming from the last checkpoint if there is one.

        Args:
            stop_after: Stop after this many steps, as a kill would; for tests.
        """
        self._load()
        left, cells = stop_after, self.train.cells
        pace = Pace(self.name, self.course.epochs * cells)
        while self.progress.epoch < self.course.epochs:
            for batch in self._rest_of_epoch():
                if left == 0:
                    return self
                self._step(batch)
                progress = self.progress
                pace.tell(progress.epoch * cells + progress.seen, progress.right / progress.seen)
                left = None if left is None else left - 1
                if self.progress.step % self.course.checkpoint_every == 0:
                    self._save()
            self._end_epoch()
        self.network.eval()
        return self

    def classify(self, stream: Stream, change: Change | None = None) -> Answers:
        """Name the seed of each image of a stream.

        Args:
            stream: The images.
            change: Applied to each batch of images first.
        """
        predicted = np.full((len(stream.prompts), len(stream.seeds)), -1, dtype=np.int64)
        self.network.eval()
        for batch in stream.batches(2 * self.course.batch_size):
            images = batch.images if change is None else change(batch.images)
            with torch.inference_mode():
                logits = self.network(pixels_of(images, self.course.device))
            predicted[batch.prompts, batch.seeds] = logits.argmax(dim=1).cpu().numpy()
        return Answers(stream, predicted)

    def _rest_of_epoch(self) -> Iterator[ImageBatch]:
        rng = np.random.default_rng([self._number("order"), self.progress.epoch])
        batches = self.train.batches(self.course.batch_size, rng)
        for _ in range(self.progress.step):
            next(batches, None)
        return batches

    def _step(self, batch: ImageBatch) -> None:
        progress = self.progress
        for group in self._optimiser.param_groups:
            group["lr"] = self.course.learning_rate * self._rate(progress)
        owners = batch.seeds
        if self.owners is not None:
            owners = self.owners[batch.prompts, batch.seeds]
        labels = torch.from_numpy(owners).to(self.course.device)
        self.network.train()
        with borrowed_stream(self._number(f"step {progress.epoch} {progress.step}")):
            logits = self.network(pixels_of(batch.images, self.course.device))
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
        steps = -(-self.train.cells // self.course.batch_size)
        done = (progress.epoch * steps + progress.step + 1) / (self.course.epochs * steps + 1)
        return min(done / 0.1, float(0.5 + 0.5 * np.cos(np.pi * max(done - 0.1, 0) / 0.9)))

    def _end_epoch(self) -> None:
        progress, answers = self.progress, self.classify(self.validation)
        line = {
            "epoch": progress.epoch + 1,
            "training_top1": progress.right / max(progress.seen, 1),
            "validation_top1": float(np.mean(answers.right()[0])),
        }
        self.progress = Progress(epoch=progress.epoch + 1, history=(*progress.history, line))
        self._save()

    def _number(self, part: str) -> int:
        """Seed in [0, 2**32) of the random stream of one part."""
        text = f"{self.entropy} {part}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    @property
    def key(self) -> str:
        """Path of the checkpoint in the run folder; its name hashes what decides the weights."""
        course = asdict(self.course)
        del course["checkpoint_every"]
        owners = None if self.owners is None else self.owners.tolist()
        parts = [course, self.train.seeds, owners, self.entropy, _ids(self.train)]
        text = json.dumps([*parts, _ids(self.validation), self.train.run.run_id])
        return f"{CLASSIFIERS_FOLDER}/{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"

    def _save(self) -> None:
        tensors = {f"network.{k}": v.contiguous() for k, v in self.network.state_dict().items()}
        for index, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": v.contiguous() for k, v in state.items()}
        metadata = {"progress": asdict(self.progress), "seeds": self.train.seeds}
        # One entry only: safetensors writes several in no fixed order, and bytes must repeat.
        data = save(tensors, {"goldenseed": json.dumps(metadata)})
        replace_file(self.train.run.store, self.key, data)

    def _load(self) -> None:
        """Load the checkpoint, if there is one."""
        path = self.train.run.store.path(self.key)
        if not path.is_file():
            return
        if problem := damage_of(self.train.run.store, self.key):
            raise RunError(f"{path} {problem}; remove it, then repeat")
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                progress = json.loads(file.metadata()["goldenseed"])["progress"]
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is damaged ({error}); remove it, then repeat") from error
        self.progress = Progress(**{**progress, "history": tuple(progress["history"])})
        self.network.load_state_dict(_under(tensors, "network."))
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _under(tensors, "optimiser.").items():
            index, _, entry = name.partition(".")
            state.setdefault(int(index), {})[entry] = tensor
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.network.eval()


@contextmanager
def borrowed_stream(seed: int) -> Iterator[None]:
    """Seed torch's CPU random stream inside the block, and restore it afterwards.

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
    """The tensors whose names begin with a prefix, by their names without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
