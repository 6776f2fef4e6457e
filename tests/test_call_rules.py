"""Which calls have one home: what a graph of imports cannot say.

Who may import whom is said by the import-linter contracts of pyproject.toml; see
tests/test_import_contracts.py. Here every file is parsed, and its calls are held against tables. A
second test feeds wrong lines to the same function: each must be caught.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.call_rule_examples import RIGHT, WRONG

ROOT = Path(__file__).parents[1]
PACKAGES = ("goldenseed", "pipeline", "analysis", "seedling")
FILES = sorted(
    path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.py")
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
PICKLES = {"joblib.dump", "joblib.load"}
UNSAFE_OPTIONS = ("trust_remote_code=", "allow_pickle=")
# An import by name is seen by no graph, so its homes are counted.
IMPORTS_BY_NAME = {"importlib.import_module", "__import__"}
THEIR_HOMES = ("goldenseed/__init__.py", "pipeline/registry.py")
PARQUET_FILE = "pipeline/storage/parquet.py"
PARQUET_WRITERS = {
    "write_table",
    "ParquetWriter",
    "write_parquet",
    "sink_parquet",
    "to_parquet",
    "write_dataset",
}


def imported(tree: ast.AST, path: str) -> Iterator[tuple[str, str]]:
    """Yield (name in this file, what it stands for) of every import, nested ones too."""
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                yield alias.asname or top, alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield alias.asname or alias.name, f"{module}.{alias.name}"


def dotted(node: ast.expr) -> str:
    """Give `a.b.c` for names and attributes; a call in between is written `()`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "()"


def call_violations(path: str, tree: ast.AST, names: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            head, _, rest = dotted(node.func).partition(".")
            call = f"{names.get(head, head)}.{rest}".rstrip(".")
            for reason in (*seeding(path, call), *file_access(path, call, node)):
                yield f"{path}:{node.lineno}: {call} {reason}"


def seeding(path: str, call: str) -> Iterator[str]:
    """Where random streams may come from."""
    last = call.split(".")[-1]
    if path.startswith("pipeline/noise/"):
        return
    if call in GLOBAL_SEEDING or last == "seed_everything":
        yield "seeds globally"
    if not path.startswith("seedling/") and (
        call == "torch.Generator" or last in ("manual_seed", "manual_seed_all")
    ):
        yield "makes a generator: only pipeline/noise does"


def file_access(path: str, call: str, node: ast.Call) -> Iterator[str]:
    """What may write Parquet, and what may run code that a file brings."""
    ours = path == PARQUET_FILE or call.startswith("pipeline.storage.parquet.")
    if call.split(".")[-1] in PARQUET_WRITERS and not ours:
        yield f"writes Parquet: only {PARQUET_FILE} does"
    if call in IMPORTS_BY_NAME and path not in THEIR_HOMES:
        yield f"imports by name: only {' and '.join(THEIR_HOMES)} do"
    if call in PICKLES or (
        call in SAFE_LOADS and not (path == SAFE_LOADS[call] and is_safe_load(node))
    ):
        yield "may run code from a file: use safetensors"
    for option in map(ast.unparse, node.keywords):
        if option.startswith(UNSAFE_OPTIONS) and not option.endswith("=False"):
            yield f"with {option} may run code from a file"


def is_safe_load(call: ast.Call) -> bool:
    """Whether the file may hold nothing but tensors and plain values."""
    return "weights_only=True" in map(ast.unparse, call.keywords)


def load_time_violations(path: str, tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield f"{path}:{node.lineno}: works at import: {ast.unparse(node)[:60]}"


def violations(path: str, source: str) -> list[str]:
    tree = ast.parse(source, filename=path)
    return [
        *call_violations(path, tree, dict(imported(tree, path))),
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
