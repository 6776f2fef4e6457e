"""The store has one winner per key and no half values, and its errors say what to do."""

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import RunError, StoreError
from pipeline.storage import placing
from pipeline.storage.disk import REMEDIES, make_folder, store_errors
from pipeline.storage.local_store import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "root")


def test_of_many_writers_exactly_one_wins(store: LocalStore) -> None:
    barrier = threading.Barrier(16)
    won: list[bytes] = []

    def write(value: bytes) -> None:
        barrier.wait()
        if store.put_if_absent("a/key", value):
            won.append(value)

    threads = [threading.Thread(target=write, args=(b"%d" % n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [store.read("a/key")]
    assert os.listdir(store.root / "a") == ["key"]  # noqa: PTH208 - hidden names count


def test_a_link_whose_answer_was_lost_still_won(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network disk may make the link, lose the answer, and refuse to make it again."""
    link = os.link

    def link_twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    assert store.put_if_absent("key", b"1")
    assert not store.put_if_absent("key", b"2")
    assert store.read("key") == b"1"


def test_replace_and_remove(store: LocalStore) -> None:
    store.replace("key", b"1")
    store.replace("key", b"2")
    assert store.read("key") == b"2"
    assert os.listdir(store.root) == ["key"]  # noqa: PTH208
    store.remove("key")
    store.remove("key")
    assert not store.exists("key")


def test_list_is_sorted_and_hides_leftovers(store: LocalStore) -> None:
    for key in ("b/2.json", "b/1.json", "a/3.json", "b/.1.json.0a", "b/1.txt"):
        store.replace(key, b"")
    assert list(store.list("", ".json")) == ["./a/3.json", "./b/1.json", "./b/2.json"] or list(
        store.list("", ".json")
    ) == ["a/3.json", "b/1.json", "b/2.json"]
    assert list(store.list("b", ".json")) == ["b/1.json", "b/2.json"]
    assert list(store.list("nothing", ".json")) == []


@pytest.mark.parametrize("key", ["../out", "a/../../out", "/etc/passwd"])
def test_keys_stay_inside(store: LocalStore, key: str) -> None:
    with pytest.raises(RunError, match="leads outside"):
        store.read(key)


def test_a_missing_value_is_an_answer(store: LocalStore) -> None:
    with pytest.raises(FileNotFoundError):
        store.read("nothing")
    with pytest.raises(FileNotFoundError):
        store.move("nothing", "other")


def test_a_file_where_a_folder_is_wanted(store: LocalStore) -> None:
    store.replace("a", b"")
    with pytest.raises(StoreError, match="a file"):
        store.put_if_absent("a/b", b"")
    with pytest.raises(StoreError, match="a part of the path is a file"):
        store.put_if_absent("a/b/c", b"")
    with pytest.raises(StoreError, match="is a file, and a folder is wanted"):
        make_folder(store.root / "a")


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_errors_say_what_where_and_what_to_do(tmp_path: Path, code: int) -> None:
    path = tmp_path / "not" / "there"
    with (
        pytest.raises(StoreError, match=r"choose another.*MB free.*the same command") as caught,
        store_errors(path),
    ):
        raise OSError(code, os.strerror(code))
    assert str(path) in str(caught.value)
    assert os.strerror(code) in str(caught.value)


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory") as caught, store_errors(tmp_path):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    assert not isinstance(caught.value, StoreError)


CALLS: dict[str, Callable[[LocalStore], object]] = {
    "put_if_absent": lambda store: store.put_if_absent("a/new", b"2"),
    "replace": lambda store: store.replace("a/old", b"2"),
}


@pytest.mark.parametrize("call", sorted(CALLS))
@pytest.mark.parametrize("seam", ["fsync", "link", "replace"])
def test_a_failing_call_leaves_nothing_behind(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, call: str, seam: str
) -> None:
    store.replace("a/old", b"1")

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, seam, full)
        if (call, seam) in {("put_if_absent", "replace"), ("replace", "link")}:
            CALLS[call](store)
            return
        with pytest.raises(StoreError, match="the disk is full"):
            CALLS[call](store)
    assert store.read("a/old") == b"1"
    assert os.listdir(store.root / "a") == ["old"]  # noqa: PTH208


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_not_empty(store: LocalStore) -> None:
    store.replace("a/b.json", b"")
    (store.root / "a").chmod(0)
    try:
        with pytest.raises(StoreError, match="no permission"):
            list(store.list("a", ".json"))
    finally:
        (store.root / "a").chmod(0o700)


def test_a_listing_that_fails_is_an_error(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.replace("a/b.json", b"")

    def denied(path: object) -> object:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(StoreError, match="no permission"):
        list(store.list("a", ".json"))


NO_LINKS = {
    name: getattr(errno, name)
    for name in ("EOPNOTSUPP", "ENOSYS", "EMLINK", "ESTALE", "EINVAL", "EPERM", "EXDEV")
}


def refuse(code: int) -> Callable[..., None]:
    """Make a call of the system that fails with this error."""

    def call(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.parametrize("name", NO_LINKS)
def test_without_hard_links_a_rename_lets_one_writer_win(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(os, "link", refuse(NO_LINKS[name]))
    test_of_many_writers_exactly_one_wins(store)
    assert not store.put_if_absent("a/key", b"later")
    assert store.put_if_absent("a/other", b"1")
    assert store.read("a/other") == b"1"


@pytest.mark.parametrize("name", NO_LINKS)
@pytest.mark.parametrize("rename", ["ENOSYS", "EINVAL"])
def test_where_nothing_lets_one_writer_win_the_words_name_hard_links(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, name: str, rename: str
) -> None:
    monkeypatch.setattr(os, "link", refuse(NO_LINKS[name]))
    monkeypatch.setattr(placing, "_rename_without_replacing", refuse(getattr(errno, rename)))
    with pytest.raises(StoreError, match=r"makes no hard links.*choose a folder on another") as no:
        store.put_if_absent("a/key", b"1")
    assert os.strerror(NO_LINKS[name]) in str(no.value)
    assert os.listdir(store.root / "a") == []  # noqa: PTH208 - hidden names count


def test_a_rename_without_replacing_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    with pytest.raises(FileExistsError):
        placing._rename_without_replacing(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "old"
    placing._rename_without_replacing(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "c").read_text() == "new"


@pytest.mark.parametrize("name", ["EINVAL", "ENOSYS", "EOPNOTSUPP", "EBADF"])
def test_a_file_system_that_cannot_flush_folders_is_no_error(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fsync = os.fsync

    def only_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(getattr(errno, name), "no")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", only_files)
    assert store.put_if_absent("a/key", b"1")
    store.replace("a/other", b"2")
    assert (store.read("a/key"), store.read("a/other")) == (b"1", b"2")


def test_a_disk_that_fails_to_flush_a_folder_is_an_error(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: only `cannot` is let through."""
    make_folder(store.root)
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(StoreError, match="the disk reports an error"):
        store.put_if_absent("key", b"1")
