"""Releases, lists, keys and votes that somebody else published: checked, read, or refused."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.publish.compare.key import Key, KeyPair, read_key
from analysis.publish.compare.votes import VOTES_FORMAT, check_value, read_votes
from analysis.publish.release.check import check_release
from goldenseed.steps.seed_lists.source import read_list
from tests.analysis.publish.released import copied, release, seal
from tests.fuzzing.mutations import documents_like, files_like, text_of
from tests.fuzzing.parsing import parse
from tests.profiles import examples

KEY = Key(("a", "b"), ("r", "s"), "", {"hps": True}, "salt", (
    KeyPair("p", "g", (1, 2), 0, {"hps": (0.1, 0.2)}),
))  # fmt: skip
VOTES = [{"pair": 0, "question": "quality", "choice": "left"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release in which one file after another is changed and put back."""
    return copied(tmp_path_factory.mktemp("fuzzing"))


def names() -> list[str]:
    return sorted(p.relative_to(release()).as_posix() for p in release().rglob("*") if p.is_file())


@examples(60)
@given(data=st.data())
def test_releases(folder: Path, data: st.DataObject) -> None:
    """A file is changed; half of the time, the checksums are written anew to hide it."""
    name = data.draw(st.sampled_from(names()))
    path, sample = folder / name, (release() / name).read_bytes()
    near = documents_like(json.loads(sample)) if name.endswith(".json") else files_like(sample)
    try:
        path.write_bytes(data.draw(near))
        if data.draw(st.booleans()):
            seal(folder)
        parse(lambda: check_release(folder))
    finally:
        path.write_bytes(sample)
        shutil.copy(release() / "SHA256SUMS", folder / "SHA256SUMS")


@examples(50)
@given(data=st.data())
def test_archives(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    base = tmp_path_factory.getbasetemp() / "small"
    base.mkdir(exist_ok=True)
    (base / "SHA256SUMS").write_text("")
    sample = Path(shutil.make_archive(str(base.with_name("archive")), "zip", base)).read_bytes()
    path = base.with_name("changed.zip")
    path.write_bytes(data.draw(files_like(sample)))
    parse(lambda: check_release(path))


@examples(75)
@given(data=st.data())
def test_lists_of_seeds(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "golden_seeds.json"
    document = json.loads((release() / "golden_seeds.json").read_bytes())
    path.write_bytes(data.draw(documents_like(document)))
    parse(lambda: read_list(path).first(1).origin.is_of("a"))


@examples(75)
@given(data=st.data())
def test_keys(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    base = tmp_path_factory.getbasetemp()
    (base / "key.json").write_bytes(data.draw(documents_like(json.loads(KEY.to_json()))))
    parse(lambda: read_key(base))


@examples(75)
@given(data=st.data())
def test_votes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "votes.json"
    check = check_value(KEY.page, "me", [tuple(vote.values()) for vote in VOTES])
    sample = {
        "format": VOTES_FORMAT,
        "page": KEY.page,
        "rater": "me",
        "votes": VOTES,
        "check": check,
    }
    path.write_bytes(text_of(sample))
    assert read_votes([path], KEY), "the sample is whole"
    path.write_bytes(data.draw(documents_like(sample)))
    parse(lambda: read_votes([path], KEY))
