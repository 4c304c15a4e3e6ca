"""Downloads, from a server on this machine: whole and right, or nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from thermograd.data import cache_folder, download, fetch, load
from thermograd.errors import InputError

pytest.importorskip("pooch")


def tiny_cifar10():
    """A CIFAR-10 archive of six images whose pixels are noise, so that it does not compress to nothing."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for label, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
            pixels = np.random.default_rng(label).integers(0, 256, 3072, dtype=np.uint8)
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = 3073
            archive.addfile(info, io.BytesIO(bytes([label]) + pixels.tobytes()))
    return gzip.compress(raw.getvalue(), mtime=0)


CONTENT = tiny_cifar10()
FILE = "cifar-10-binary.tar.gz"


class Server:
    """A web server of one file: it sends ``content`` and says that it sends ``declared`` bytes."""

    def __init__(self):
        self.content = CONTENT
        self.declared = len(CONTENT)
        self.requests = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.requests.append(self.path)
                if self.path.startswith("/missing"):
                    self.send_error(404)
                    return
                self.send_response(200)
                if "gzip" in self.headers.get("Accept-Encoding", ""):
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(server.declared))
                self.end_headers()
                self.wfile.write(server.content)

            def log_message(self, *args):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A cache of its own, no proxy, and the tiny archive in place of the official one."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("THERMOGRAD_CACHE", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("THERMOGRAD_CIFAR_MIRROR", raising=False)
    tiny = download.Archive(FILE, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(download.ARCHIVES, "cifar10", tiny)
    return folder


def refuses(*parts, **options):
    with pytest.raises(InputError) as caught:
        fetch("cifar10", progress=False, **options)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def left(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_official_archives_are_the_documented_ones():
    # Sizes and hashes as published; the tiny archive stands in for CIFAR-10 here.
    hundred = download.ARCHIVES["cifar100"]
    assert (hundred.file, hundred.bytes) == ("cifar-100-binary.tar.gz", 168513733)
    assert hundred.sha256 == "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"


def test_downloaded_once_then_from_the_cache(server, cache):
    path = fetch("cifar10", mirror=server.url, progress=False)
    assert path == cache / FILE
    assert path.read_bytes() == CONTENT
    assert fetch("cifar10", mirror=server.url, progress=False) == path
    assert server.requests == [f"/{FILE}"]
    assert left(cache) == [FILE]


def test_load_by_name_uses_mirror_and_cache_of_the_environment(server, cache, monkeypatch):
    monkeypatch.setenv("THERMOGRAD_CIFAR_MIRROR", f"{server.url}/some/folder/")
    data = load("cifar10", progress=False)
    assert server.requests == [f"/some/folder/{FILE}"]
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([0, 1, 2, 3, 4], [5])
    expected = np.random.default_rng(5).integers(0, 256, 3072, dtype=np.uint8)
    assert np.array_equal(data.test_raw[0].ravel(), expected)
    assert data.sha256 == load(cache / FILE).sha256


def test_mirror_may_name_the_archive_and_the_argument_wins(server, monkeypatch, tmp_path):
    monkeypatch.setenv("THERMOGRAD_CIFAR_MIRROR", "http://127.0.0.1:9/unused")
    path = fetch("cifar10", mirror=f"{server.url}/c10.tar.gz", cache=tmp_path / "own", progress=False)
    assert server.requests == ["/c10.tar.gz"]
    assert path == tmp_path / "own" / FILE


def test_progress_bar_goes_to_standard_error(server, capsys):
    pytest.importorskip("tqdm")
    fetch("cifar10", mirror=server.url, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "100%" in err


def test_wrong_content_is_refused_and_not_kept(server, cache):
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    refuses("is not the official", hashlib.sha256(CONTENT).hexdigest(), FILE, mirror=server.url)
    assert left(cache) == []


@pytest.mark.parametrize("kept", [0, 1, len(CONTENT) // 2])
def test_connection_cut_short_leaves_nothing(server, cache, kept):
    server.content = CONTENT[:kept]
    refuses("could not be downloaded", server.url, "THERMOGRAD_CIFAR_MIRROR", mirror=server.url)
    assert left(cache) == []
    server.content = CONTENT
    assert fetch("cifar10", mirror=server.url, progress=False).read_bytes() == CONTENT


def test_interrupt_leaves_nothing(server, cache, monkeypatch):
    requests = pytest.importorskip("requests")
    seen = []

    def interrupted(response, chunk_size):
        with response:
            yield response.raw.read(1000)
            seen.append(left(cache))
            raise KeyboardInterrupt

    monkeypatch.setattr(requests.Response, "iter_content", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch("cifar10", mirror=server.url, progress=False)
    # It was under way, under another name; and now there is nothing.
    assert len(seen[0]) == 1
    assert FILE not in seen[0]
    assert left(cache) == []


def test_damaged_cache_is_downloaded_anew(server, cache):
    cache.mkdir()
    (cache / FILE).write_bytes(CONTENT[:500])
    assert fetch("cifar10", mirror=server.url, progress=False).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_missing_page_and_dead_server_are_one_line(server, cache):
    refuses("could not be downloaded to", "404", "expected a reachable URL", mirror=f"{server.url}/missing")
    # A port that was free a moment ago has no server.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    refuses("could not be downloaded to", f":{port}", mirror=f"http://127.0.0.1:{port}")
    assert left(cache) == []


@pytest.mark.parametrize("mirror", ["ftp://host/x", "/some/folder", "file:///x.tar.gz", "cifar"])
def test_mirror_that_is_no_web_address_is_refused(mirror):
    refuses(repr(mirror), "http:// or https://", mirror=mirror)


def test_unknown_name_is_refused():
    with pytest.raises(InputError, match="fetch: name is 'imagenet'; expected one of cifar10, cifar100"):
        fetch("imagenet")


def test_without_pooch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    refuses("needs the package pooch", 'pip install "thermograd[train]"')


def test_cache_folder_is_the_platforms_unless_chosen(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("THERMOGRAD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "xdg" / "thermograd"
    assert not (tmp_path / "xdg").exists()
