"""An address where a path on a disk is wanted is refused in words; it makes no folder `s3:`."""

from pathlib import Path

import pytest

import goldenseed
from pipeline.errors import ConfigError
from tests.in_process import exit_code

NO_STORE = (
    "status {0}",
    "generate seedling-mini --out {0}",
    "rank {0}",
    "copy {0} folder",
    "copy folder {0}",
)
COMMANDS = (
    "plan {0}",
    "study quality {0}",
    "report {0}",
    "report runs --out {0}",
    "grid runs --out {0}",
    "compare runs --with {0}",
    "search seedling-mini --metric contrast --out {0}",
    "import . --out {0}",
    "seeds --from {0}",
    "doctor --out {0}",
)


@pytest.mark.parametrize(
    ("command", "address"),
    [
        *((command, "s3://bucket/run") for command in COMMANDS),
        *((command, "gs:/bucket/run") for command in COMMANDS),
        *((command, "https://a.example/b") for command in (*COMMANDS, *NO_STORE)),
    ],
)
def test_an_address_is_refused_and_makes_no_folder(
    command: str,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(*command.format(address).split()) == 2
    said = capsys.readouterr().err
    assert address.partition(":")[0] in said
    assert any(words in said for words in ("goldenseed copy", "no run can live", "not exist"))
    assert list(tmp_path.iterdir()) == []


def test_the_python_door_refuses_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for address in ("ftp://bucket/run", Path("ftp://bucket/run")):
        with pytest.raises(ConfigError, match="no run can live at ftp://"):
            goldenseed.open_run(address)
    with pytest.raises(ConfigError, match=r"s3://bucket/run is an address.*goldenseed copy"):
        goldenseed.golden_seeds("", source="s3://bucket/run")


@pytest.mark.parametrize("name", ["a:b", "12:30", "s3:", "a b:/c"])
def test_a_folder_may_have_a_colon_in_its_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).mkdir(parents=True)
    assert exit_code("status", tmp_path / name) == 2
    assert "is not a run folder" in capsys.readouterr().err
