"""Object stores do what a folder does, and survive what a network does; on a real S3 protocol."""

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, RunError, StoreError, UnreachableError
from pipeline.storage.address import Address
from pipeline.storage.local_store import LocalStore
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.open_store import refuse_overwriting, store_at
from pipeline.storage.shards import ShardFolder
from pipeline.storage.store import Store
from tests.object_server import KEY_ID, SECRET, CuttingProxy, Server
from tests.pipeline.faults import BLOCK, commit, table

QUICK = {
    "max_retries": 2,
    "backoff": {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(seconds=0.01)},
}
"""Patience for a test in which every try fails."""


@pytest.fixture
def address(request: pytest.FixtureRequest, s3: Server) -> str:
    return f"s3://bucket/{abs(hash(request.node.name))}"


def impatient(address: str, url: str) -> ObjectStore:
    """A store that gives up soon."""
    from obstore.store import S3Store

    bucket, *names = address.removeprefix("s3://").split("/")
    client = S3Store(bucket, prefix="/".join(names), endpoint=url, retry_config=QUICK)
    return ObjectStore(Address(f"s3://{bucket}", tuple(names)), client)


def test_a_store_does_what_a_folder_does(tmp_path: Path, address: str) -> None:
    """The folder is the oracle: the same calls give the same answers."""

    def answers(store: Store) -> list[object]:
        with store.new_file("b/d-0.parquet") as path:
            path.write_bytes(bytes(9_000_000))
        seen: list[object] = [
            store.put_if_absent("a/1.json", b"1"),
            store.put_if_absent("a/1.json", b"2"),
            store.read("a/1.json"),
            store.hint("claims/x", b""),
            store.hint("claims/x", b"other"),
            store.replace("a/1.json", b"3"),
            store.replace("a/c/2.txt", b"4"),
            store.replace(".hidden", b""),
            store.touch("a/1.json"),
            store.read("a/1.json"),
            [*store.list("", "")],
            [*store.list("a", ".json")],
            [*store.list("nothing", "")],
            [(entry.key, entry.bytes) for entry in store.entries("")],
            [store.folders(prefix) for prefix in ("", "a", "a/c", "nothing")],
            [store.exists(key) for key in ("a/1.json", "a/1", "nothing")],
            store.move("a/1.json", "z/1.json"),
            store.exists("a/1.json"),
            store.remove("z/1.json"),
            store.remove("z/1.json"),
            store.entry("b/d-0.parquet").bytes,
        ]
        with store.local_file("b/d-0.parquet") as path:
            seen.append(path.read_bytes() == bytes(9_000_000))
        for call in (store.read, store.entry, store.touch, lambda key: store.move(key, "y")):
            with pytest.raises(FileNotFoundError):
                call("z/1.json")
        for key in ("../out", "a/../../out", "/etc/passwd"):
            with pytest.raises(RunError, match="leads outside"):
                store.read(key)
        return seen

    assert answers(store_at(address)) == answers(LocalStore(tmp_path))


def race(stores: list[Store]) -> None:
    """Let all writers put their own value under one key; check that exactly one wins."""
    barrier, won = threading.Barrier(len(stores)), list[bytes]()

    def write(store: Store, value: bytes) -> None:
        barrier.wait()
        if store.put_if_absent("receipts/key", value):
            won.append(value)

    together([lambda n=n, s=store: write(s, b"%d" % n) for n, store in enumerate(stores)])
    assert won == [stores[0].read("receipts/key")]


def together(calls: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_many_writers_exactly_one_wins(address: str) -> None:
    race([store_at(address) for _ in range(8)])


def test_a_server_that_ignores_the_condition_is_found(address: str, s3: Server) -> None:
    """The negative control of the race; a run is not begun there."""
    refuse_overwriting(store_at(address))
    s3.conditions = False
    with pytest.raises(AssertionError):
        race([store_at(address) for _ in range(8)])
    with pytest.raises(StoreError, match=r"replaces a file although.*use another server"):
        refuse_overwriting(store_at(f"{address}-other"))
    assert [*store_at(f"{address}-other").entries("")] == []


def test_two_writers_of_one_shard_leave_one_receipt_and_one_file(address: str) -> None:
    results = []
    folders = [ShardFolder(store_at(address), "features/f-0", ["value"]) for _ in range(2)]
    barrier = threading.Barrier(2)

    def write(number: int) -> None:
        barrier.wait()
        results.append(
            folders[number].commit("0a", BLOCK, table(number), run_id="r", provenance={})
        )

    together([lambda n=n: write(n) for n in range(2)])
    assert sorted(same for _, same in results) == [False, True]
    assert results[0][0] == results[1][0]
    keys = [entry.key for entry in store_at(address).entries("")]
    assert keys == [f"features/f-0/{results[0][0].file}", f"receipts/features/f-0/{BLOCK}/0a.json"]
    assert folders[0].read(results[0][0]).num_rows == 40


def test_a_put_whose_answer_was_lost_still_won(address: str, s3: Server) -> None:
    store = store_at(address)
    s3.lose = True
    assert store.put_if_absent("key", b"1")
    s3.lose = True
    assert not store.put_if_absent("key", b"2")
    assert store.read("key") == b"1"


@pytest.mark.parametrize("side", ["sent", "answered"])
@pytest.mark.parametrize("after", [0, 1, 150, 3_000, 20_000])
def test_a_connection_cut_at_any_byte_costs_nothing(
    address: str, s3: Server, monkeypatch: pytest.MonkeyPatch, side: str, after: int
) -> None:
    proxy = CuttingProxy(s3.url, **{side: after}, cuts=2)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    folder = ShardFolder(store_at(address), "features/f-0", ["value"])
    rows = table(0, rows=10_000)
    receipt, same = folder.commit("0a", BLOCK, rows, run_id="r", provenance={})
    assert same
    assert folder.read(receipt).equals(rows)
    assert len([*store_at(address).entries("")]) == 2
    proxy.close()
    assert proxy.cuts_left < 2, "nothing was cut"


def test_a_network_that_stays_cut_loses_nothing(address: str, s3: Server) -> None:
    proxy = CuttingProxy(s3.url, sent=1_000, cuts=10**9)
    cut = ShardFolder(impatient(address, proxy.url), "features/f-0", ["value"])
    with pytest.raises(UnreachableError, match="the same command goes on"):
        cut.commit("0a", BLOCK, table(0), run_id="r", provenance={})
    proxy.close()
    folder = ShardFolder(store_at(address), "features/f-0", ["value"])
    assert [*folder.receipts()] == []
    receipt, same = folder.commit("0a", BLOCK, table(0), run_id="r", provenance={})
    assert same
    assert folder.read(receipt).equals(table(0))


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_fails_for_a_while_is_asked_again(
    address: str, s3: Server, status: int
) -> None:
    s3.answers, s3.slow_s = [status] * 3, 0.01
    store = store_at(address)
    assert store.put_if_absent("key", b"1")
    s3.answers = [status]
    assert store.read("key") == b"1"
    s3.answers = [status] * 100
    with pytest.raises(UnreachableError, match=str(status)):
        impatient(address, s3.url).read("key")


@pytest.fixture
def unread() -> Iterator[list[str]]:
    """Messages, in which no secret may be."""
    messages: list[str] = []
    yield messages
    assert messages
    assert not [text for text in messages if SECRET in text or KEY_ID in text]


CALLS: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read("run.json"),
    "put": lambda store: store.put_if_absent("run.json", b"1"),
    "upload": lambda store: commit(ShardFolder(store, "features/f-0", ["value"])),
    "list": lambda store: [*store.list("", "")],
}


@pytest.mark.parametrize("call", CALLS)
def test_wrong_credentials_are_said_and_not_printed(
    address: str, s3: Server, unread: list[str], call: str
) -> None:
    s3.check_credentials(checked=True)
    try:
        with pytest.raises(StoreError, match="refuses the credentials") as refused:
            CALLS[call](store_at(address))
    finally:
        s3.check_credentials(checked=False)
    assert not isinstance(refused.value, UnreachableError)
    unread.append(str(refused.value))


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_bucket_is_said(s3: Server, call: str) -> None:
    with pytest.raises(StoreError, match=r"s3://missing/run.*no such bucket"):
        CALLS[call](store_at("s3://missing/run"))


def test_no_network_and_no_credentials_are_said(
    address: str, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnreachableError, match="AWS_ENDPOINT_URL"):
        impatient(address, "http://127.0.0.1:9").read("key")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", s3.url)
    s3.answers = [404] * 9  # of a machine without a role
    with pytest.raises(StoreError, match="found no credentials") as without:
        store_at(address).read("key")
    assert not isinstance(without.value, UnreachableError)


@pytest.mark.parametrize(
    "address", ["s3://", "s3:///run", "http://a/b", f"s3://key:{SECRET}@bucket/run", "s3://b/../c"]
)
def test_what_is_no_address_is_refused(address: str, unread: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        store_at(address)
    unread.append(str(refused.value))


@pytest.mark.parametrize("address", ["gs://bucket/run", "az://container/run"])
def test_other_stores_are_opened_by_their_scheme(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    store = store_at(address)
    assert str(store.root) == address
    with pytest.raises(StoreError, match=f"goldenseed copy {address} FOLDER"):
        store.path("run.json")


def test_without_obstore_the_words_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ConfigError, match=r"pip install 'goldenseed\[stores\]'"):
        store_at("s3://bucket/run")
