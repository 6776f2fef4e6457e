"""How a seed classifier is trained, and how far a training has come."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Course:
    """How a classifier is trained.

    Attributes:
        backbone: See `make_network`.
        epochs: Passes over the training images.
        batch_size: Images per step.
        learning_rate: Peak learning rate. It rises over the first tenth of the steps, then falls
            to 0 along a cosine.
        weight_decay: Weight decay of AdamW.
        label_smoothing: Share of the label that is spread evenly over all seeds. Without it, the
            network becomes overconfident on training images and generalises worse to new prompts:
            on 150 prompts of unseen objects (128 seeds of seedling-turbo, 42 training prompts, 18
            epochs) top-1 was 98.0 % with 0, 99.5 % with 0.1, 99.6 % with 0.2 and 99.7 % with 0.3.
            In short trainings (24 seeds, 58 steps) it costs a little accuracy.
        checkpoint_every: Steps between checkpoints; the end of each epoch is a checkpoint too.
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
    """How far a training has come.

    Attributes:
        epoch: Number of finished epochs.
        step: Number of finished steps of the current epoch.
        right: Training images of the current epoch that were classified correctly.
        seen: Training images of the current epoch.
        history: For each finished epoch: epoch, training_top1, validation_top1.
    """

    epoch: int = 0
    step: int = 0
    right: int = 0
    seen: int = 0
    history: tuple[dict[str, float], ...] = ()
