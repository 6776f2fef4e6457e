"""A small stand-in for the Hugging Face hub on 127.0.0.1: one dataset, pull requests, tags."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from huggingface_hub import constants

TOKEN = "hf_thisIsASecretOfTheTest"
ALWAYS: dict[str, Any] = {
    "/api/repos/create": {"url": "http://127.0.0.1/datasets/me/seeds", "name": "me/seeds"},
    "/validate-yaml": {"errors": [], "warnings": []},
    "/whoami-v2": {"name": "me", "type": "user"},
}
"""End of a path -> the answer."""
TIME = "2026-01-01T00:00:00.000Z"


class Hub:
    """The state of the hub, and what it was asked.

    Attributes:
        main: Files of the main branch.
        requests: Number -> pull request.
        tags: Tag -> files.
        log: "METHOD path" of each call.
        cut: A part of a path; the first calls to it are cut off without an answer.
        cuts: How many calls to cut.
        refused: A part of a path; calls to it are answered with 401.
        large: Ends of the names of files that go to the storage of large files (Git LFS).
        storage: SHA-256 -> content of a large file.
    """

    def __init__(self) -> None:
        self.main: dict[str, bytes] = {".gitattributes": b""}
        self.requests: dict[int, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, bytes]] = {}
        self.log: list[str] = []
        self.uploaded: list[str] = []
        self.cut, self.cuts = "", 0
        self.refused = ""
        self.large: tuple[str, ...] = ()
        self.storage: dict[str, bytes] = {}

    def files(self, revision: str) -> dict[str, bytes]:
        number = re.fullmatch(r"refs/pr/(\d+)", revision)
        return self.requests[int(number[1])]["files"] if number else self.main

    def answer(self, method: str, path: str, body: bytes) -> Any:  # noqa: ANN401 - a table
        for end, same in ALWAYS.items():
            if path.endswith(end):
                return same
        if path.endswith("/info/lfs/objects/batch") or re.match("/(storage|verify)", path):
            return self.large_file(path, body)
        if path.endswith("/refs"):
            about = {"targetCommit": "0" * 40}
            tags = [{"name": tag, "ref": f"refs/tags/{tag}", **about} for tag in self.tags]
            return {"branches": [], "converts": [], "tags": tags}
        if match := re.search(r"/preupload/(.+)$", path):
            return {"files": [self.mode(f["path"], match[1]) for f in json.loads(body)["files"]]}
        if match := re.search(r"/commit/(.+)$", path):
            return self.commit(self.files(match[1]), body)
        if match := re.search(r"/tree/(.+)$", path):
            files = self.files(match[1]).items()
            return [{"type": "file", "path": n, "size": len(d), "oid": oid(d)} for n, d in files]
        if match := re.search(r"/tag/(.+)$", path):
            self.tags[json.loads(body)["tag"]] = dict(self.main)
            return {}
        if re.search(r"/revision/", path):
            return {"id": "me/seeds", "sha": "1" * 40}
        return self.discussions(method, path, body)

    def mode(self, name: str, revision: str) -> dict[str, Any]:
        data = self.files(revision).get(name)
        large = name.endswith(self.large or "/")
        known = {"oid": sha256(data) if large else oid(data)} if data is not None else {}
        mode = "lfs" if large else "regular"
        return {"path": name, "uploadMode": mode, "shouldIgnore": False, **known}

    def large_file(self, path: str, body: bytes) -> Any:  # noqa: ANN401 - as answer
        """Git LFS: where files go, their storage, and whether they arrived."""
        if path.startswith("/storage/"):
            assert sha256(body) == path.removeprefix("/storage/")
            self.storage[sha256(body)] = body
            return {}
        if path == "/verify":
            stored = json.loads(body)
            assert len(self.storage[stored["oid"]]) == stored["size"]
            return {}
        return {"objects": [self.place(each) for each in json.loads(body)["objects"]]}

    def place(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Say where a large file goes; without actions if it is there."""
        if wanted["oid"] in self.storage:
            return wanted
        upload = {"href": f"{constants.ENDPOINT}/storage/{wanted['oid']}"}
        verify = {"href": f"{constants.ENDPOINT}/verify"}
        return {**wanted, "actions": {"upload": upload, "verify": verify}}

    def commit(self, files: dict[str, bytes], body: bytes) -> dict[str, str]:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
                self.uploaded.append(value["path"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.storage[value["oid"]]
                self.uploaded.append(value["path"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        address = f"{constants.ENDPOINT}/datasets/me/seeds/commit/{'2' * 40}"
        return {"commitUrl": address, "commitOid": "2" * 40}

    def discussions(self, method: str, path: str, body: bytes) -> Any:  # noqa: ANN401
        match = re.search(r"/discussions(?:/(\d+))?(?:/(\w+))?$", path)
        assert match, path
        if match[1] is None and method == "POST":
            number = len(self.requests) + 1
            self.requests[number] = {
                "title": json.loads(body)["title"], "status": "draft", "files": dict(self.main),
            }  # fmt: skip
            return self.details(number)
        if match[1] is None:
            own = [n for n, request in self.requests.items() if "author" not in request]
            found = [self.details(number) for number in own]
            return {"count": len(found), "start": 0, "discussions": found}
        number = int(match[1])
        if match[2] == "status":
            self.requests[number]["status"] = json.loads(body)["status"]
            event = {"id": "e", "type": "status-change", "createdAt": TIME}
            return {"newStatus": {**event, "data": {"status": "open"}}}
        if match[2] == "merge":
            assert self.requests[number]["status"] == "open"
            self.requests[number]["status"] = "merged"
            self.main = dict(self.requests[number]["files"])
            return {}
        return self.details(number)

    def details(self, number: int) -> dict[str, Any]:
        request = self.requests[number]
        return {
            "title": request["title"], "num": number,
            "author": {"name": request.get("author", "me")}, "createdAt": TIME,
            "status": request["status"], "repo": {"name": "me/seeds", "type": "dataset"},
            "isPullRequest": True, "events": [], "filesWithConflicts": [],
            "changes": {"base": "refs/heads/main",
                        "mergeCommitId": "3" * 40 if request["status"] == "merged" else None},
        }  # fmt: skip


def oid(data: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(urlsplit(self.path).path)
            hub.log.append(f"{self.command} {path}")
            if hub.cut and hub.cut in path and hub.cuts > 0:
                hub.cuts -= 1
                self.close_connection = True
                return
            token = self.headers.get("Authorization")
            # The storage is a host of its own, which gets no token: its addresses are signed.
            allowed = token is None if "/storage/" in path else token == f"Bearer {TOKEN}"
            allowed = allowed and not (hub.refused and hub.refused in path)
            content = json.dumps(hub.answer(self.command, path, body) if allowed else {}).encode()
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = handle_any

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """Serve a hub, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
