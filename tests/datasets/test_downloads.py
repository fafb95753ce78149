"""Downloads against a server in this process that drops lines, changes files and answers nonsense."""

import hashlib
import io
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models.datasets import CATALOGUE, READERS, DownloadFailed, PublicFile, PublicSet, download, fetch
from models.datasets.downloads import sha256_of, unpack

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """What the server does; ``requests`` are the Range headers that came."""

    files: dict[str, bytes] = field(default_factory=lambda: {"/data.bin": CONTENT})
    drop_after: int | None = None  # bytes of body per answer, then the line is cut
    drops: int = 1000
    ranges: bool = True
    tag: str | None = '"one"'
    statuses: list[int] = field(default_factory=list)  # answered before anything else
    shifted: bool = False  # a range that was not asked for
    lengths: bool = True
    requests: list[str | None] = field(default_factory=list)


@dataclass
class Server:
    """Address and behaviour of the running server."""

    address: str
    behaviour: Behaviour

    def file(self, name: str = "data.bin", *, sha256: str | None = SHA256) -> PublicFile:
        return PublicFile(name, f"{self.address}/{name}", sha256=sha256)


class Handler(BaseHTTPRequestHandler):
    """Answers as ``behaviour`` says."""

    behaviour: Behaviour

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
        pass

    def do_GET(self) -> None:
        self.behaviour.requests.append(self.headers.get("Range"))
        content = self.behaviour.files.get(self.path)
        if self.behaviour.statuses or content is None:
            self.send_error(self.behaviour.statuses.pop(0) if self.behaviour.statuses else 404)
            return
        start = self.start()
        if start < len(content):
            self.answer(content, start)
            return
        self.send_response(416)
        self.send_header("Content-Range", f"bytes */{len(content)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def start(self) -> int:
        wanted = self.headers.get("Range")
        if not wanted or not self.behaviour.ranges or self.headers.get("If-Range") != self.behaviour.tag:
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def answer(self, content: bytes, start: int) -> None:
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if self.behaviour.shifted else start
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if self.behaviour.tag:
            self.send_header("ETag", self.behaviour.tag)
        if self.behaviour.lengths:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.behaviour.drop_after is not None and self.behaviour.drops > 0 and len(body) > self.behaviour.drop_after:
            self.behaviour.drops -= 1
            body = body[: self.behaviour.drop_after]
        self.wfile.write(body)
        self.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    behaviour = Behaviour()
    running = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"behaviour": behaviour}))
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Server(f"http://127.0.0.1:{running.server_address[1]}", behaviour)
    running.shutdown()
    running.server_close()
    thread.join()


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def public(server: Server, *files: PublicFile) -> dict[str, PublicSet]:
    return {"tiny": PublicSet("tiny", "Tiny", "CC0 1.0", non_commercial=False, page="https://example.org/tiny", files=files)}


def test_a_whole_file_is_put_in_place_and_nothing_else_is_left(server: Server, tmp_path: Path) -> None:
    assert download(server.file(), tmp_path) == SHA256
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert left_over(tmp_path) == ["data.bin"]


def test_a_dropped_line_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.behaviour.drop_after = 300_000
    assert download(server.file(), tmp_path, pause=0) == SHA256
    assert server.behaviour.requests == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_many_drops_are_borne_as_long_as_each_try_brings_something(server: Server, tmp_path: Path) -> None:
    server.behaviour.drop_after = 60_000
    assert download(server.file(), tmp_path, pause=0) == SHA256
    assert len(server.behaviour.requests) == 18


def test_a_killed_download_is_taken_up_by_the_next_call(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    (tmp_path / "data.bin.part.tag").write_text('"one"')
    assert download(server.file(), tmp_path) == SHA256
    assert server.behaviour.requests == ["bytes=1000-"]


def test_a_part_that_was_already_whole_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    (tmp_path / "data.bin.part.tag").write_text('"one"')
    assert download(server.file(), tmp_path) == SHA256
    assert left_over(tmp_path) == ["data.bin"]


def test_a_part_longer_than_the_file_starts_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT + b"more")
    (tmp_path / "data.bin.part.tag").write_text('"one"')
    assert download(server.file(), tmp_path, pause=0) == SHA256


def test_another_version_on_the_server_starts_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "data.bin.part.tag").write_text('"an older one"')
    assert download(server.file(), tmp_path) == SHA256


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_tag_the_part_is_not_trusted(tag: str | None, server: Server, tmp_path: Path) -> None:
    server.behaviour.tag = tag
    server.behaviour.drop_after, server.behaviour.drops = 300_000, 1
    assert download(server.file(), tmp_path, pause=0) == SHA256
    assert server.behaviour.requests == [None, None]


def test_a_server_without_ranges_sends_it_all_again(server: Server, tmp_path: Path) -> None:
    server.behaviour.ranges = False
    server.behaviour.drop_after, server.behaviour.drops = 300_000, 1
    assert download(server.file(), tmp_path, pause=0) == SHA256


def test_a_range_that_was_not_asked_for_is_never_written(server: Server, tmp_path: Path) -> None:
    server.behaviour.shifted = True
    server.behaviour.drop_after, server.behaviour.drops = 300_000, 1
    with pytest.raises(DownloadFailed, match="6 tries brought nothing"):
        download(server.file(), tmp_path, pause=0)
    assert (tmp_path / "data.bin.part").read_bytes() == CONTENT[:300_000]


def test_an_answer_without_length_is_taken_to_its_end(server: Server, tmp_path: Path) -> None:
    server.behaviour.lengths = False
    assert download(server.file(), tmp_path) == SHA256


def test_faults_of_the_server_pass_and_its_refusals_do_not(server: Server, tmp_path: Path) -> None:
    server.behaviour.statuses = [503, 429, 500]
    assert download(server.file(), tmp_path, pause=0) == SHA256
    server.behaviour.statuses = [403]
    with pytest.raises(DownloadFailed, match=r"answered 403\. See https://example.org for its present address, and put the file into"):
        download(server.file("other.bin"), tmp_path, page="https://example.org")
    with pytest.raises(DownloadFailed, match="answered 404"):
        download(server.file("gone.bin"), tmp_path)


def test_a_wrong_checksum_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=f"has sha256 {SHA256}, expected 00ff: what came has been removed"):
        download(server.file(sha256="00ff"), tmp_path)
    assert left_over(tmp_path) == []


def test_a_file_that_is_there_and_right_is_not_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT)
    assert download(server.file(), tmp_path) == SHA256
    assert server.behaviour.requests == []
    (tmp_path / "data.bin").write_bytes(b"damaged")
    assert download(server.file(), tmp_path) == SHA256
    assert len(server.behaviour.requests) == 1


def test_a_dead_address_is_given_up_with_what_is_kept(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"could not be fetched, 6 tries brought nothing .* call again to go on"):
        download(PublicFile("a.bin", "http://127.0.0.1:9/a.bin"), tmp_path, pause=0)


def test_a_full_disk_is_told_before_it_is_full(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.datasets.downloads.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(DownloadFailed, match=r"data.bin needs 0\.0 GB in .* make room"):
        download(server.file(), tmp_path)


def test_a_set_is_fetched_unpacked_and_then_left_alone(server: Server, tmp_path: Path) -> None:
    inner = zipped({"PAT_1_2_3.png": b"picture"})
    archive = zipped({"set/metadata.csv": b"a,b\n", "set/images/imgs_part_1.zip": inner})
    server.behaviour.files = {"/set.zip": archive, "/labels.csv": b"image,label\n"}
    catalogue = public(server, server.file("set.zip", sha256=None), server.file("labels.csv", sha256=None))
    place = fetch("tiny", tmp_path, catalogue=catalogue, quiet=True)
    assert place == tmp_path / "tiny"
    assert (place / "set" / "metadata.csv").read_bytes() == b"a,b\n"
    assert (place / "set" / "images" / "imgs_part_1" / "PAT_1_2_3.png").read_bytes() == b"picture"
    assert left_over(place) == [".labels.csv.fetched", ".set.zip.fetched", "labels.csv", "set"]
    assert (place / ".set.zip.fetched").read_text().strip() == hashlib.sha256(archive).hexdigest()
    fetch("tiny", tmp_path, catalogue=catalogue, quiet=True)
    assert len(server.behaviour.requests) == 2
    shutil.rmtree(place / "set")
    fetch("tiny", tmp_path, catalogue=catalogue, quiet=True)
    assert len(server.behaviour.requests) == 3


def test_a_set_shows_how_far_it_has_come(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.behaviour.drop_after = 700_000
    fetch("tiny", tmp_path, catalogue=public(server, server.file()), pause=0)
    assert "data.bin" in capsys.readouterr().out


def test_an_unknown_set_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"no public data set 'isic2091': did you mean 'isic2019'\?"):
        fetch("isic2091", tmp_path)
    with pytest.raises(DownloadFailed, match="choose one of isic2016, "):
        fetch("?", tmp_path)


def test_loose_contents_get_a_folder_of_the_archives_name(tmp_path: Path) -> None:
    (tmp_path / "part_1.zip").write_bytes(zipped({"a.jpg": b"a", "b.jpg": b"b"}))
    unpack(tmp_path / "part_1.zip")
    assert left_over(tmp_path) == ["part_1"]
    assert left_over(tmp_path / "part_1") == ["a.jpg", "b.jpg"]


def test_an_interrupted_unpacking_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / ".part_1.unpacking").mkdir()
    (tmp_path / ".part_1.unpacking" / "half.jpg").touch()
    (tmp_path / "part_1.zip").write_bytes(zipped({"a.jpg": b"a"}))
    unpack(tmp_path / "part_1.zip")
    assert left_over(tmp_path / "part_1") == ["a.jpg"]


def test_an_archive_cannot_write_outside_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    archive = tmp_path / "data" / "evil.zip"
    archive.write_bytes(zipped({"../../outside.txt": b"x", "/etc/outside.txt": b"x"}))
    unpack(archive)
    assert left_over(tmp_path) == ["data"]
    assert left_over(tmp_path / "data") == ["evil"]


def test_a_damaged_archive_is_told_with_its_cure(tmp_path: Path) -> None:
    whole = zipped({"a.jpg": b"a" * 10_000})
    (tmp_path / "bad.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DownloadFailed, match=r"bad.zip is damaged .*: remove it and fetch it again"):
        unpack(tmp_path / "bad.zip")
    assert left_over(tmp_path) == ["bad.zip"]


def test_an_archive_that_does_not_fit_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a.jpg": b"a" * 100}))
    monkeypatch.setattr("models.datasets.downloads.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(DownloadFailed, match=r"a.zip needs"):
        unpack(tmp_path / "a.zip")


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty") == hashlib.sha256(b"").hexdigest()


def test_the_catalogue_names_licences_and_encrypted_addresses_and_every_set_has_a_reader() -> None:
    for name, public_set in CATALOGUE.items():
        assert name == public_set.name
        assert name in READERS
        assert public_set.licence
        assert public_set.non_commercial == ("NC" in public_set.licence)
        assert public_set.page.startswith("https://")
        names = [file.name for file in public_set.files]
        assert len(set(names)) == len(names) > 0
        assert all(file.url.startswith("https://") for file in public_set.files)
