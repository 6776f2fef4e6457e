"""Classes load by name when they are asked for; an unknown name gets suggestions."""

import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.studies import STUDIES
from pipeline.errors import RegistryError
from pipeline.registry import is_user_path, load, source_sha256

FAMILY = {"ordered": "collections:OrderedDict", "heavy": "no_such_module_anywhere:Heavy"}
MINE = "class Mine:\n    pass\n\n\nnumber = 3\n"


@pytest.fixture
def my_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of the user's own on the Python path; removed afterwards."""
    path = tmp_path / "my_own_module.py"
    path.write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_own_module", raising=False)
    yield path
    sys.modules.pop("my_own_module", None)


def test_a_name_loads_its_class_and_no_other_module() -> None:
    assert load(FAMILY, "ordered", "map") is OrderedDict


@pytest.mark.usefixtures("my_module")
@pytest.mark.parametrize("name", ["my_own_module:Mine", "my_own_module.Mine"])
def test_a_dotted_path_loads_the_users_own_class(name: str) -> None:
    assert load(FAMILY, name, "map").__name__ == "Mine"


@pytest.mark.parametrize("name", ["orderd", "Ordered", "ordered "])
def test_an_unknown_name_is_refused_with_the_nearest_and_all_names(name: str) -> None:
    with pytest.raises(RegistryError, match=r"did you mean 'ordered'.*known: heavy, ordered"):
        load(FAMILY, name, "map")


@pytest.mark.usefixtures("my_module")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("heavy", "no module 'no_such_module_anywhere'.*install"),
        ("no_such_module_either.Mine", "no module 'no_such_module_either'"),
        ("my_own_module.Mene", "has no 'Mene': did you mean 'Mine'"),
        ("my_own_module.number", "is a int; wanted a class"),
        ("", "unknown map ''"),
        ("../etc/passwd", "unknown map"),
        ("my_own_module.", "unknown map"),
    ],
)
def test_a_class_that_cannot_be_loaded_gives_the_reason(name: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        load(FAMILY, name, "map")


MOVED = {
    "ordered": "collections:OrderedDict",
    "golden": "analysis.studies.golden.study:Golden",
}


@pytest.mark.parametrize(
    "path",
    [
        "analysis.studies.golden:Golden",  # a package now
        "analysis.studies.golden.Golden",
        "analysis.golden_study:Golden",  # no such module any more
        "analysis.studies.quality.study:Golden",  # a module without it
    ],
)
def test_the_old_path_of_a_class_that_moved_gives_the_new_one(path: str) -> None:
    message = "it is now 'analysis.studies.golden.study:Golden': write golden$"
    with pytest.raises(RegistryError, match=message):
        load(MOVED, path, "study")


@pytest.mark.parametrize("path", ["my_studies.Golden", "analysis.studies.golden:Silver"])
def test_a_class_that_is_not_the_familys_has_not_moved(path: str) -> None:
    with pytest.raises(RegistryError) as caught:
        load(MOVED, path, "study")
    assert "it is now" not in str(caught.value)


def test_the_path_in_these_tests_is_the_real_one() -> None:
    load(STUDIES, "analysis.studies.golden.study:Golden", "study")
    assert STUDIES["golden"] == MOVED["golden"]


def test_the_base_class_is_checked_when_one_is_asked_for() -> None:
    assert load(FAMILY, "ordered", "map", base=dict) is OrderedDict
    with pytest.raises(RegistryError, match=r"no subclass of list \(in builtins\)"):
        load(FAMILY, "ordered", "map", base=list)


@pytest.mark.parametrize("name", ["fid", "a b.C", ".C", "a:", "1a.B", "a-b:C"])
def test_a_plain_name_is_no_path(name: str) -> None:
    assert not is_user_path(name)


def test_the_source_hash_follows_the_file_but_not_its_line_ends(my_module: Path) -> None:
    mine = load({}, "my_own_module:Mine", "map")
    before = source_sha256(mine)
    my_module.write_bytes(MINE.replace("\n", "\r\n").encode())
    assert source_sha256(mine) == before
    my_module.write_text(MINE + "number = 4\n")
    assert source_sha256(mine) != before


def test_a_class_without_a_file_has_no_hash() -> None:
    with pytest.raises(RegistryError, match="no source file"):
        source_sha256(int)
