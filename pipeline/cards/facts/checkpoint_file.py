"""Reads what a checkpoint of one file says about the model, with the configs that ship for it."""

from pathlib import Path

from safetensors import safe_open

from pipeline.cards.facts.configs import config_facts
from pipeline.cards.facts.fact import Facts
from pipeline.cards.facts.folder import DTYPES, most_common_dtype
from pipeline.cards.facts.kinds import INSIDE, Kind, kind_of
from pipeline.cards.facts.tensors import read_tensor_list
from pipeline.cards.json_files import components
from pipeline.cards.single_files import config_folder, is_shipped_config
from pipeline.errors import ModelError

PREDICTIONS = {"epsilon": "sd2-base", "v_prediction": "sd2"}
"""What a network of Stable Diffusion 2 predicts -> its configuration."""

ALIKE = {
    "sd2": ("sd2", "sd2-base"),
    "sdxl": ("sdxl", "sdxl-v"),
    "sdxl-v": ("sdxl", "sdxl-v"),
    "z-image": ("z-image", "z-image-turbo"),
}
"""Configuration by the tensors -> those that files with the same tensors may have."""

SPECIFIED = "modelspec.prediction_type"
"""Key of a file's metadata by Stability's ModelSpec."""


def file_facts(path: Path, prediction: str = "", config: str = "") -> Facts:
    """Collect what a single file says.

    Args:
        path: The file.
        prediction: What the network predicts, if the user says so.
        config: A configuration that ships, or a folder of the user's own; empty to recognise it.

    Returns:
        The facts. Networks that the file lacks are asked for as `parts`.

    Raises:
        ModelError: If it is no model, not whole, or not of the configuration that ships.
    """
    tensors = read_tensor_list(path)
    own = not is_shipped_config(config)
    kind = Kind(config, "--config", ()) if own else kind_of(tensors, str(path))
    facts = Facts()
    facts.say("path", str(path.resolve()), "--model")
    said = prediction or _metadata(path).get(SPECIFIED, "")
    said = {"v": "v_prediction"}.get(said, said)
    name = _config_name(path, kind, config, said, facts)
    config_facts(config_folder(name), facts, name=f"{path.stem} {name}")
    predicts = facts.known.get("prediction_type")
    if said and predicts and said != predicts.value:
        source = "--prediction" if prediction else f"the file's {SPECIFIED}"
        facts.say("scheduler_config", {"prediction_type": said}, source)
    dtype = most_common_dtype(tensors)
    facts.say("stored_dtype", DTYPES.get(dtype, "float32"), path.name)
    facts.say("licence", "not stated", "read the model's page")
    if not own:
        _ask_for_the_rest(kind, config_folder(name), facts)
    return facts


def _config_name(path: Path, kind: Kind, config: str, said: str, facts: Facts) -> str:
    """Choose the configuration of a file, and ask for what its tensors do not tell apart."""
    alike = ALIKE.get(kind.config, (kind.config,))
    if config and config not in alike:
        raise ModelError(
            f"--config {config} is not for {path}: {kind.evidence}, which is {' or '.join(alike)}"
        )
    name = config or (PREDICTIONS.get(said, "sd2") if kind.config == "sd2" else kind.config)
    facts.say("config", name, "--config" if config else kind.evidence)
    if kind.config == "sd2" and not config and said not in PREDICTIONS:
        facts.ask("prediction", "files of Stable Diffusion 2 do not say what the network predicts")
    if kind.config == "z-image" and not config:
        facts.unknown["config"] = (
            "Z-Image and Z-Image-Turbo have tensors of the same names and shapes; give z-image or "
            "z-image-turbo"
        )
    return name


def _ask_for_the_rest(kind: Kind, configs: Path, facts: Facts) -> None:
    """Ask for the networks and tokenizers that are neither in the file nor shipped."""
    named = components(configs)
    lacking = [name for name in named if name in INSIDE and name not in kind.components]
    lacking += [
        name
        for name in named
        if name.startswith("tokenizer") and not (configs / name / "tokenizer_config.json").is_file()
    ]
    facts.say("lacking", lacking, "the names of its tensors")
    if lacking:
        facts.ask(
            "parts",
            f"the file holds no {', '.join(lacking)}; name a folder or repository of the same "
            f"family in the diffusers layout, from which they are taken",
        )


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})
