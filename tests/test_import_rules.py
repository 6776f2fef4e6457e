"""Who may import whom, and which calls have one home: the architecture, held by a test.

Every file is parsed, imports are collected however deeply nested, and held against tables.
A second test feeds wrong lines to the same function: each must be caught.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.import_rule_examples import RIGHT, WRONG

ROOT = Path(__file__).parents[1]
PACKAGES = ("goldenseed", "pipeline", "analysis", "seedling")
FILES = sorted(
    path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.py")
)


def modules(names: str) -> tuple[str, ...]:
    return tuple(f"pipeline.{name}" for name in names.split())


# Pure arithmetic, which the figures of our own models are computed with too.
ANALYSIS_BUT_STATISTICS = tuple(
    f"analysis.{path.stem}" for path in (ROOT / "analysis").iterdir() if path.stem != "statistics"
)

# Where a file begins -> what it must not import.
FORBIDDEN = {
    "pipeline/": ("analysis", "goldenseed"),
    "analysis/": ("goldenseed",),
    "seedling/": (*ANALYSIS_BUT_STATISTICS, "goldenseed"),
    "": ("tests", "benchmarks", "pickle", "cloudpickle", "dill", "joblib.load", "joblib.dump"),
}

# All that analysis may take from pipeline: nothing that draws images. (noise: a release states
# the noise spec with check values; cpu: judges run on the same faster layers.)
ANALYSIS_MAY_USE = modules(
    "cards cpu devices errors executors noise planted prompts.making.sample prompts.pictures "
    "prompts.prompt prompts.prompt_sets registry runs settings stage storage"
)

# A laptop plans a run and reads results without the libraries that draw.
PLANNING = modules(
    "batch cards.card cards.card_parts cards.checkpoints cards.weights errors prompts.conditions "
    "prompts.making.coco prompts.making.sample prompts.pictures prompts.prompt "
    "prompts.prompt_sets registry runs settings storage"
)
HEAVY = ("torch", "diffusers", "transformers", "ray")

# A heavy library -> the only places that import it.
HOMES = {
    "ray": ("pipeline/executors/ray.py",),
    "diffusers": ("pipeline/models/", "pipeline/interventions/", "seedling/"),
    "open_clip": ("analysis/features/", "seedling/"),
    "easyocr": ("analysis/features/", "seedling/measure/legibility.py"),
    "joblib": ("analysis/statistics/parallel.py",),
}

# Members of a family share through its base.py, or what that was cut into: no other siblings.
SHARED = ("backbones", "base", "cards", "latents", "networks", "ocr_pages", "pool", "towers")
FAMILIES = (
    *modules("models interventions executors"),
    "analysis.features",
    "analysis.metrics",
    "analysis.studies",
    "analysis.publish",
)

GLOBAL_SEEDING = {
    "torch.manual_seed",
    "torch.seed",
    "torch.random.manual_seed",
    "torch.random.seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "numpy.random.seed",
    "random.seed",
    "transformers.set_seed",
}
# What can open a pickle -> the one place where it may stand, with weights_only=True: training
# resumes from its own checkpoint, whose optimiser state is no safetensors, and some published
# weights exist as pickles only.
SAFE_LOADS = {
    "torch.load": "seedling/learning/loop.py",
    "huggingface_hub.load_state_dict_from_file": "pipeline/cards/tensor_files.py",
}
UNSAFE_OPTIONS = ("trust_remote_code=", "allow_pickle=")
DYNAMIC_IMPORTS = ("import_module", "__import__")
PARQUET_WRITERS = {
    "write_table",
    "ParquetWriter",
    "write_parquet",
    "sink_parquet",
    "to_parquet",
    "write_dataset",
}


def is_under(module: str, tops: tuple[str, ...]) -> bool:
    return any(module == top or module.startswith(f"{top}.") for top in tops)


def imported(tree: ast.AST, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield (name in this file, what it stands for, full name imported), nested ones too."""
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                yield alias.asname or top, alias.name if alias.asname else top, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{module}.{alias.name}"
                yield alias.asname or alias.name, full, full
        elif isinstance(node, ast.Call) and dotted(node.func).endswith(DYNAMIC_IMPORTS):
            for argument in node.args[:1]:
                yield "", "", ast.literal_eval(argument) if is_text(argument) else ""


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def dotted(node: ast.expr) -> str:
    """Give `a.b.c` for names and attributes; a call in between is written `()`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "()"


def import_violations(path: str, names: set[str]) -> Iterator[str]:
    module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    for name in sorted(names):
        for start, tops in FORBIDDEN.items():
            if path.startswith(start) and is_under(name, tops):
                yield f"{path} must not import {name}"
        for library, homes in HOMES.items():
            if is_under(name, (library,)) and not path.startswith(homes):
                yield f"{path} must not import {name}: its home is {', '.join(homes)}"
        if is_under(module, PLANNING) and is_under(name, HEAVY):
            yield f"{path} must not import {name}: plans are made without it"
        if (
            path.startswith("analysis/")
            and is_under(name, ("pipeline",))
            and not is_under(name, ANALYSIS_MAY_USE)
        ):
            yield f"{path} must not import {name}: analysis reads, it does not draw"
        yield from sibling_violations(path, module, name)


def sibling_violations(path: str, module: str, name: str) -> Iterator[str]:
    for family in FAMILIES:
        if not (module.startswith(f"{family}.") and name.startswith(f"{family}.")):
            continue
        own, other = (full.split(".")[family.count(".") + 1] for full in (module, name))
        if other not in (own, *SHARED) and other.islower():
            yield f"{path} must not import its sibling {name}: share through {family}.base"


def call_violations(path: str, tree: ast.AST, names: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        head, _, rest = dotted(node.func).partition(".")
        call = f"{names.get(head, head)}.{rest}".rstrip(".")
        last = call.split(".")[-1]
        where = f"{path}:{node.lineno}: {call}"
        if path != "pipeline/noise.py":
            if call in GLOBAL_SEEDING or last == "seed_everything":
                yield f"{where} seeds globally"
            if not path.startswith("seedling/") and (
                call == "torch.Generator" or last in ("manual_seed", "manual_seed_all")
            ):
                yield f"{where} makes a generator: only pipeline/noise.py does"
        ours = path == "pipeline/storage/shards.py" or call.startswith("pipeline.storage.shards.")
        if last in PARQUET_WRITERS and not ours:
            yield f"{where} writes Parquet: only pipeline/storage/shards.py does"
        if call in SAFE_LOADS and not (path == SAFE_LOADS[call] and is_safe_load(node)):
            yield f"{where} may run code from a file: use safetensors"
        for option in map(ast.unparse, node.keywords):
            if option.startswith(UNSAFE_OPTIONS) and not option.endswith("=False"):
                yield f"{where} with {option} may run code from a file"


def is_safe_load(call: ast.Call) -> bool:
    """Whether the file may hold nothing but tensors and plain values."""
    return "weights_only=True" in map(ast.unparse, call.keywords)


def load_time_violations(path: str, tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield f"{path}:{node.lineno}: works at import: {ast.unparse(node)[:60]}"


def violations(path: str, source: str) -> list[str]:
    tree = ast.parse(source, filename=path)
    imports = list(imported(tree, path))
    aliases = {local: stands_for for local, stands_for, _ in imports}
    return [
        *import_violations(path, {full for _, _, full in imports}),
        *call_violations(path, tree, aliases),
        *([] if path.endswith("/__main__.py") else load_time_violations(path, tree)),
    ]


@pytest.mark.parametrize("path", FILES)
def test_every_file_keeps_the_rules(path: str) -> None:
    assert violations(path, (ROOT / path).read_text(encoding="utf-8")) == []


def test_the_files_are_found() -> None:
    assert {"pipeline/errors.py", "pipeline/registry.py"} <= set(FILES)


@pytest.mark.parametrize(("path", "source"), WRONG)
def test_a_wrong_line_is_caught(path: str, source: str) -> None:
    assert len(violations(path, source)) >= 1


@pytest.mark.parametrize(("path", "source"), RIGHT)
def test_a_right_line_is_let_through(path: str, source: str) -> None:
    assert violations(path, source) == []
