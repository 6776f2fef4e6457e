"""An S3 server on this machine (moto's), and what goes wrong between it and its clients."""

import io
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import sleep
from typing import Any
from urllib.request import Request, urlopen

from werkzeug.serving import make_server

BUCKET = "bucket"
SECRET = "a-secret-that-nobody-may-print"
KEY_ID = "AKIAEXAMPLE"

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Server:
    """moto's S3, which can be told to fail.

    Attributes:
        url: Where it listens.
        answers: HTTP codes that the next requests get instead of an answer.
        lose: Whether the next request is carried out and answered with 500.
        slow_s: Seconds before each answer.
        conditions: Whether `If-None-Match` is obeyed; some servers do not know it.
        requests: How many requests came.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        # moto looks for the key and then writes it; S3 does both in one step.
        self._one_at_a_time = threading.Lock()
        self._http = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self.reset()

    def reset(self) -> None:
        """Work as S3 does."""
        self.answers: list[int] = []
        self.lose, self.slow_s, self.conditions, self.requests = False, 0.0, True, 0

    def start(self) -> None:
        self._thread.start()
        urlopen(Request(f"{self.url}/{BUCKET}", method="PUT")).close()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def check_credentials(self, *, checked: bool) -> None:
        """Let moto look at credentials; it has no user, so it refuses all."""
        body = b"0" if checked else b"inf"
        request = Request(f"{self.url}/moto-api/reset-auth", data=body, method="POST")
        request.add_header("Content-Type", "text/plain")
        urlopen(request).close()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.requests += 1
        sleep(self.slow_s)
        if self.answers:
            start(f"{self.answers.pop(0)} Failing", [("Content-Length", "0")])
            return [b""]
        if not self.conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        size = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(size))  # outside the lock
        with self._one_at_a_time:
            lost, self.lose = self.lose, False
            if not lost:
                return [*self._application(environ, start)]
            list(self._application(environ, lambda *_: None))
        start("500 Lost", [("Content-Length", "0")])
        return [b""]


@contextmanager
def serving() -> Iterator[Server]:
    """Serve S3 with one bucket until the block ends."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server(DomainDispatcherApplication(create_backend_app))
    server.start()
    try:
        yield server
    finally:
        server.stop()


class CuttingProxy:
    """Passes bytes on, and cuts some connections after some bytes.

    Args:
        url: The server behind it.
        sent: Bytes of a client that pass before its connection is cut; None for all.
        answered: Bytes of the server that pass; None for all.
        cuts: How many connections are cut; later ones pass whole.
    """

    def __init__(
        self, url: str, *, sent: int | None = None, answered: int | None = None, cuts: int = 1
    ) -> None:
        self._target = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._limits, self._cuts = (sent, answered), cuts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    @property
    def cuts_left(self) -> int:
        return self._cuts

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                pairs = ((client, server, self._limits[0]), (server, client, self._limits[1]))
                for pair in pairs:
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(4096):
                if limit is not None and self._cuts > 0 and passed + len(data) > limit:
                    target.sendall(data[: limit - passed])
                    self._cuts -= 1
                    break
                target.sendall(data)
                passed += len(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
