"""Servers of this machine: one that speaks S3, and one of the web that misbehaves."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

PATIENCE = 120.0
"""Seconds for a server to start."""
SECRET = "a-secret-that-nobody-sees"  # noqa: S105 - of a server of this machine


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """A running S3 server, and the environment that leads to it."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        process.terminate()
        process.wait()


class _Answers(BaseHTTPRequestHandler):
    """``/list.csv`` is a file; the other paths are redirects, errors, and sizes that lie."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        """Tests have no log."""

    def _answer(self, *, body: bool) -> None:
        path, _, query = self.path.partition("?")
        if path == "/list.csv":
            data = b"url\nhttps://example.org/1\n"
            self._send(200, data if body else b"", {"Content-Length": str(len(data)), "ETag": '"1"'})
        elif path == "/signed.csv":
            self._send(200 if query == "key=right" else 403, b"", {"Content-Length": "0"})
        elif path == "/short.csv":
            # More was promised than comes before the end of the connection.
            self._send(200, b"url\n" if body else b"", {"Content-Length": "400", "ETag": '"1"'})
        elif path == "/endless.csv":
            self._send(200, b"url\n" * 100_000 if body else b"", {"Connection": "close"})
        elif path == "/slow.csv":
            self._send(200, b"", {"Content-Length": "6", "ETag": '"1"'})
            with suppress(BrokenPipeError, ConnectionResetError):  # who waited is gone
                for _ in range(6 if body else 0):
                    time.sleep(float(query))
                    self.wfile.write(b"x")
        elif path == "/empty.csv":
            self._send(204, b"", {})
        elif path == "/nowhere.csv":
            self._send(302, b"elsewhere" if body else b"", {"Content-Length": "9"})
        elif path == "/circle.csv":
            self._send(302, b"", {"Location": "/circle.csv", "Content-Length": "0"})
        elif path == "/leading.csv":
            self._send(302, b"", {"Location": "/signed.csv?key=of-the-server", "Content-Length": "0"})
        elif path.startswith("/to/"):
            self._send(302, b"", {"Location": unquote(query), "Content-Length": "0"})
        else:
            self._send(404, b"", {"Content-Length": "0"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Connection" not in headers:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def web_server() -> Iterator[str]:
    """The beginning of the addresses of a web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
