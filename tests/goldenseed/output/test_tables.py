"""Lines fold where the page's width is known; a pipe gets them whole."""

import json

import pytest

from goldenseed.output import tables

PATH = "/a/path/that/is/longer/than/forty/columns/and/stays/whole"
NOTE = "A cell always gives the same image, so the rest is the interaction of both. " * 3


@pytest.mark.parametrize("width", [40, 80])
def test_a_note_folds_at_the_width(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    tables.line(NOTE)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width < len(NOTE)
    assert out.split() == NOTE.split()
    tables.line(f"{NOTE} {PATH}")
    assert PATH in capsys.readouterr().out


def test_json_and_pipes_are_not_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    tables.line(NOTE)
    assert capsys.readouterr().out == f"{NOTE}\n"
    monkeypatch.setenv("COLUMNS", "40")
    tables.print_json({"note": NOTE})
    assert json.loads(capsys.readouterr().out) == {"note": NOTE}
