"""Sources of LPIPS's weights: a given file, an earlier download, a server; no unknown file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from attribution.metrics import lpips_weights as module
from attribution.metrics.euclidean import NotMeasured
from attribution.metrics.lpips_weights import BACKBONES, WEIGHTS_VARIABLE, LpipsWeights, lpips_weights
from registry.errors import InputError, UsageError

CONTENT = b"stands for the weights " * 100_000


class Server(HTTPServer):
    """Answers every request with ``body``, or an error for None; claims ``length`` bytes."""

    body: bytes | None = CONTENT
    length = len(CONTENT)
    asked = 0


class Answer(BaseHTTPRequestHandler):
    """The server's answer."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.body is None:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.length))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:  # the name that is overridden
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on this machine."""
    server = Server(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file in place of AlexNet's, and no variable in the environment."""
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    small = replace(BACKBONES["alex"], sha256=hashlib.sha256(CONTENT).hexdigest(), megabytes=3)
    monkeypatch.setitem(module.BACKBONES, "alex", small)


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/models"


def test_the_hashes_are_those_in_torchvisions_file_names() -> None:
    """The first eight digits; with a typing error every genuine file would be unknown."""
    for net, backbone in BACKBONES.items():
        if net != "alex":  # stands for another file here
            assert backbone.file.removesuffix(".pth").rpartition("-")[2] == backbone.sha256[:8]
        assert len(backbone.sha256) == len(backbone.heads_sha256) == 64


def test_downloaded_on_first_use_and_kept(server: Server, tmp_path: Path) -> None:
    """Once; then the kept file is used, whether asked for by name or not."""
    done: list[int] = []
    first = lpips_weights("alex", folder=tmp_path / "new", downloads=address(server), advanced=done.append)
    assert isinstance(first, LpipsWeights)
    assert first.path.read_bytes() == CONTENT
    assert sum(done) == len(CONTENT)
    assert lpips_weights("alex", folder=tmp_path / "new", downloads=address(server)) == first
    assert lpips_weights(folder=tmp_path / "new", downloads=address(server)) == first
    assert server.asked == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == [first.backbone.file]


@pytest.mark.parametrize(
    ("body", "length", "reason"),
    [
        (b"x" + CONTENT[1:], len(CONTENT), "another file"),
        (CONTENT[:-1], len(CONTENT), "cut short"),
        (CONTENT[:1000], 1000, "cut short"),
        (CONTENT * 2, 2 * len(CONTENT), "more than the 3 MB"),
        (None, 0, "HTTP Error 503"),
    ],
)
def test_what_is_not_the_file_is_not_kept(
    server: Server, tmp_path: Path, body: bytes | None, length: int, reason: str
) -> None:
    """Wrong hash, truncated, too long, refused: not measured, and nothing is left behind."""
    server.body, server.length = body, length
    found = lpips_weights("alex", folder=tmp_path, downloads=address(server))
    assert isinstance(found, NotMeasured)
    assert reason in found.reason
    assert "--lpips-weights" in found.reason
    assert not list(tmp_path.iterdir())


def test_no_server_is_a_reason_and_not_a_crash(tmp_path: Path) -> None:
    """As on a machine without a network."""
    server = Server(("127.0.0.1", 0), Answer)
    closed = address(server)
    server.server_close()
    found = lpips_weights("alex", folder=tmp_path, downloads=closed)
    assert isinstance(found, NotMeasured)
    assert "could not be downloaded" in found.reason


def test_nothing_is_downloaded_unasked(server: Server, tmp_path: Path) -> None:
    """Without a network's name only local files count; the reason says how to get one."""
    found = lpips_weights(folder=tmp_path, downloads=address(server))
    assert isinstance(found, NotMeasured)
    assert "creditline audit --lpips alex" in found.reason
    assert server.asked == 0


def test_a_damaged_download_of_earlier_is_replaced(server: Server, tmp_path: Path) -> None:
    """It is not loaded and not an obstacle."""
    path = tmp_path / BACKBONES["alex"].file
    path.write_bytes(CONTENT[:-1])
    assert isinstance(lpips_weights(folder=tmp_path, downloads=address(server)), NotMeasured)
    assert isinstance(lpips_weights("alex", folder=tmp_path, downloads=address(server)), LpipsWeights)
    assert path.read_bytes() == CONTENT


def test_a_given_file_must_be_a_known_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By option or variable, under any name; another network's or unknown file is refused."""
    path, stranger = tmp_path / "mine.pth", tmp_path / "alexnet-owt-7be5be79.pth"
    path.write_bytes(CONTENT)
    stranger.write_bytes(CONTENT + b"!")
    given = lpips_weights(given=path)
    assert given == LpipsWeights(BACKBONES["alex"], path.resolve())
    with pytest.raises(InputError, match="holds no weights that LPIPS was fitted to"):
        lpips_weights(given=stranger)
    with pytest.raises(InputError, match=r"vgg16-397923af\.pth"):
        lpips_weights("vgg", given=path)
    with pytest.raises(InputError, match="cannot be read"):
        lpips_weights(given=tmp_path / "none.pth")
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(path))
    assert lpips_weights() == given
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(stranger))
    assert lpips_weights(given=path) == given
    with pytest.raises(InputError):
        lpips_weights()


def test_an_unknown_network_is_refused() -> None:
    """The error lists the known ones."""
    with pytest.raises(UsageError, match="alex, vgg, squeeze"):
        lpips_weights("resnet")
