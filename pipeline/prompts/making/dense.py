"""Makes prompts from dense descriptions of images by LLaVA 1.5.

Liu et al. 2023, "Improved Baselines with Visual Instruction Tuning" (arXiv:2310.03744), through
transformers' own class. Decoding is greedy, so a description depends only on the image and the
card. Tested with tiny random weights of the real class, not with the real weights.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from PIL import Image

from pipeline.cards.foreign_code import refuse_code_in
from pipeline.devices import choose_device
from pipeline.errors import ImageFileError, ModelError, PromptError
from pipeline.prompts.image_files import decode_image_file, reasons_in_words
from pipeline.prompts.making.cards import DescriberCard, DescriberFiles
from pipeline.prompts.making.sample import sample_order, without_duplicates
from pipeline.prompts.prompt import Prompt
from pipeline.stage import Outcome, Resources
from pipeline.storage.file_hashes import sha256_of_file
from pipeline.storage.local_store import LocalStore
from pipeline.storage.store import Store

IMAGES_PER_TASK = 64
"""Images whose descriptions are stored together; a kill loses at most this many."""
MAX_SKIPPED = 0.05
"""Largest share of the images that may be unusable; with more, the command is refused."""
SENTENCE_ENDS = ".!?"


@dataclass(frozen=True)
class Description:
    """The description of one image.

    Attributes:
        name: Name of the image in the folder.
        sha256: Hash of its file.
        text: The description; empty if there is none.
        cut: Whether the description reached the longest length and was cut after its last whole
            sentence.
        reason: Why there is no description; empty if there is one.
    """

    name: str
    sha256: str
    text: str = ""
    cut: bool = False
    reason: str = ""


@dataclass(frozen=True)
class DenseTask:
    """Images that are described together.

    Attributes:
        names: Names of the images in the folder.
        sha256: Hash of each file, so that changed images are described again.
    """

    names: tuple[str, ...]
    sha256: tuple[str, ...]

    @property
    def id(self) -> str:
        """Hash of the names and files."""
        return hashlib.sha256(json.dumps([self.names, self.sha256]).encode()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """Key of the descriptions in the store."""
        return f"{self.id}.jsonl"


def plan_tasks(folder: Path, names: Iterable[str], *, count: int | None = None) -> list[DenseTask]:
    """Choose images by the hash of their names and split them into tasks.

    A larger count keeps the tasks of a smaller one, except the last.

    Args:
        folder: Folder of the images.
        names: Names of the images in the folder.
        count: Number of images; all if None.

    Raises:
        ImageFileError: If there are fewer images, or one cannot be read.
    """
    chosen = sorted(names, key=lambda name: sample_order(f"picture {name}"))
    if count is not None and count > len(chosen):
        raise ImageFileError(f"{folder} holds {len(chosen):,} images; {count:,} are wanted")
    chosen = chosen[:count]
    cuts = range(0, len(chosen), IMAGES_PER_TASK)
    return [_task(folder, chosen[cut : cut + IMAGES_PER_TASK]) for cut in cuts]


def _task(folder: Path, names: Sequence[str]) -> DenseTask:
    try:
        return DenseTask(tuple(names), tuple(sha256_of_file(folder / name) for name in names))
    except OSError as error:
        raise ImageFileError(
            f"an image in {folder} cannot be read: {error}; make it readable, or remove it"
        ) from error


def work_folder(out: Path, card: DescriberCard, files: DescriberFiles) -> Path:
    """Give the folder of unfinished descriptions, which depends on the card and the question."""
    settings = [files.sha256, card.question, card.max_new_tokens, card.batch_size, card.dtype]
    return Path(f"{out}.parts") / hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


class DenseStage:
    """Describes images; a `pipeline.stage.Stage`.

    Args:
        images: Folder of the images.
        work: Folder for the descriptions.
        card: The model and the question.
        model_folder: Folder of the model's files.
    """

    name: str = "describe"

    def __init__(self, images: Path, work: Path, card: DescriberCard, model_folder: Path) -> None:
        self.images = images.absolute()
        self.store = LocalStore(work)
        self.card = card
        self.model_folder = model_folder.absolute()
        self.resources = Resources(gpus=1.0 if card.gpu else 0.0)
        self._loaded: Any = None

    def setup(self) -> None:
        """Load processor and model, once per actor.

        Raises:
            ModelError: If a GPU is missing or the files do not load.
        """
        self._loaded = _load(self.card, self.model_folder)

    def run(self, task: DenseTask) -> Outcome:
        """Describe the images of a task and store the result, unless it is already stored."""
        start = perf_counter()
        if not self.store.exists(task.key):
            rows = self._describe(task)
            lines = [json.dumps(asdict(row), ensure_ascii=False) for row in rows]
            self.store.put_if_absent(task.key, ("\n".join(lines) + "\n").encode())
        failed = sum(bool(row.reason) for row in read_descriptions(self.store, task))
        return Outcome(task.id, len(task.names), failed, perf_counter() - start)

    def _describe(self, task: DenseTask) -> list[Description]:
        descriptions: dict[str, Description] = {}
        usable: list[tuple[str, str, Image.Image]] = []
        for name, sha256 in zip(task.names, task.sha256, strict=True):
            try:
                usable.append((name, sha256, self._image(name, sha256)))
            except ImageFileError as error:
                descriptions[name] = Description(name, sha256, reason=str(error))
        for start in range(0, len(usable), self.card.batch_size):
            batch = usable[start : start + self.card.batch_size]
            texts = _answers(self._loaded, self.card, [image for *_, image in batch])
            for (name, sha256, _), (text, cut_off) in zip(batch, texts, strict=True):
                descriptions[name] = _description(name, sha256, text, cut_off=cut_off)
        return [descriptions[name] for name in task.names]

    def _image(self, name: str, sha256: str) -> Image.Image:
        data = (self.images / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ImageFileError("changed while the command ran")
        return decode_image_file(data).image


def _description(name: str, sha256: str, text: str, *, cut_off: bool) -> Description:
    words = " ".join(text.split())
    if cut_off:
        words = whole_sentences(words)
    try:
        return Description(name, sha256, Prompt(words).text, cut_off)
    except PromptError as error:
        return Description(name, sha256, reason=f"the model's text is not a prompt: {error}")


def whole_sentences(text: str) -> str:
    """Cut a text after its last whole sentence; a text without a whole sentence stays as it is.

    Example:
        >>> whole_sentences("A dog runs. It is bro"), whole_sentences("A dog")
        ('A dog runs.', 'A dog')
    """
    end = max(text.rfind(mark) for mark in SENTENCE_ENDS)
    return text[: end + 1] if end > 0 else text


def _load(card: DescriberCard, folder: Path) -> Any:  # noqa: ANN401 - transformers is untyped
    """Load processor and model."""
    import torch
    from safetensors import SafetensorError
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

    refuse_code_in(folder)
    device = choose_device(
        gpu=card.gpu, who="describing images", instead="take a card that says `gpu: false`"
    )
    try:
        processor = LlavaProcessor.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        model, report = LlavaForConditionalGeneration.from_pretrained(
            str(folder), dtype=getattr(torch, card.dtype), use_safetensors=True,
            local_files_only=True, output_loading_info=True, trust_remote_code=False,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder} does not load as LLaVA 1.5: {error}") from error
    _refuse_gaps(folder, [*report["missing_keys"], *report["mismatched_keys"]])
    return processor, model.to(device).eval()


def _refuse_gaps(folder: Path, gaps: Iterable[object]) -> None:
    """Refuse missing weights, which transformers draws at random with only a line in its log."""
    names = sorted(map(str, gaps))
    if names:
        raise ModelError(
            f"{folder} lacks {len(names)} weights of LLaVA 1.5, for example {names[0]}; get the "
            f"checkpoint again, or name another checkpoint in the card"
        )


def _answers(
    loaded: Any,  # noqa: ANN401 - transformers is untyped
    card: DescriberCard,
    images: Sequence[Image.Image],
) -> list[tuple[str, bool]]:
    """Describe images: each text, and whether it was cut off. Batches are padded to one shape."""
    import torch

    processor, model = loaded
    padded = [*images, *[images[-1]] * (card.batch_size - len(images))]
    inputs = processor(text=[card.question] * len(padded), images=padded, return_tensors="pt")
    inputs = inputs.to(model.device, model.dtype)
    with torch.inference_mode():
        tokens = model.generate(
            **inputs, do_sample=False, num_beams=1, max_new_tokens=card.max_new_tokens
        )
    new = tokens[: len(images), inputs["input_ids"].shape[1] :]
    ends = model.generation_config.eos_token_id
    ended = torch.isin(new, torch.as_tensor(ends, device=new.device)).any(dim=1).tolist()
    texts = processor.batch_decode(new, skip_special_tokens=True)
    return [(text, not finished) for text, finished in zip(texts, ended, strict=True)]


def read_descriptions(store: Store, task: DenseTask) -> list[Description]:
    """Read the stored descriptions of a task.

    Raises:
        PromptError: If they are damaged; the message says what to delete.
    """
    try:
        lines = store.read(task.key).decode().splitlines()
        return [Description(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise PromptError(f"{store.path(task.key)} is damaged ({error}); delete it") from error


def missing_tasks(store: Store, tasks: Iterable[DenseTask]) -> list[DenseTask]:
    """List the tasks whose descriptions are not stored yet."""
    return [task for task in tasks if not store.exists(task.key)]


def collect_prompts(
    store: Store, tasks: Iterable[DenseTask]
) -> tuple[list[Prompt], dict[str, Any]]:
    """Make prompts from all descriptions, each with its image as group.

    Returns:
        The prompts, and counts: pictures, prompts, cut, same_text, and the skipped images with
        their reasons.

    Raises:
        ImageFileError: If more than 5 % of the images could not be used.
    """
    rows = [row for task in tasks for row in read_descriptions(store, task)]
    skipped = [(row.name, row.reason) for row in rows if row.reason]
    if len(skipped) > MAX_SKIPPED * len(rows):
        raise ImageFileError(
            f"{len(skipped):,} of {len(rows):,} images could not be used (at most "
            f"{MAX_SKIPPED:.0%} are skipped): {reasons_in_words(skipped)}"
        )
    usable = [row for row in rows if not row.reason]
    prompts, same = without_duplicates(
        Prompt(row.text, group=f"picture:{row.name}") for row in usable
    )
    return prompts, {
        "pictures": len(rows),
        "prompts": len(prompts),
        "cut": sum(row.cut for row in usable),
        "same_text": same,
        "skipped": [{"name": name, "reason": reason} for name, reason in skipped],
    }
