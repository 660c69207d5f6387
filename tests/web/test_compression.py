"""gzip by `Accept-Encoding` (W51, RFC 9110 section 12.5.3), with isal and with zlib."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib
from servers import asker, uvicorn_server, wsgiref_server
from web_cubes import NOW, cube

from wolap.web import compression
from wolap.web.compression import LEAST, accepts_gzip, compressed
from wolap.web.endpoint import Endpoint, Request, Response

TARGET = "/sales/v1/country/city.html"


@pytest.fixture(params=[isal_zlib, zlib], ids=lambda codec: codec.__name__)
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(compression, "codec", request.param)
    found: ModuleType = request.param
    return found


def plain(body: bytes | Iterator[bytes], *more: tuple[str, str], status: int = 200) -> Response:
    length = [("Content-Length", str(len(body)))] if isinstance(body, bytes) else []
    return Response(status, (("Content-Type", "text/csv"), *length, *more), body)  # type: ignore[arg-type]


def asked(accepted: str | None, response: Response, method: str = "GET") -> Response:
    headers = {} if accepted is None else {"accept-encoding": accepted}
    return compressed(Request(method, "/", headers), response)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("*", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip, deflate, br, zstd", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip; q=0.001", True),
        ("gzip ; Q=0.5", True),
        ("*;q=0", False),
        ("*;q=0, gzip", True),
        ("gzip;q=0, *", False),
        ("identity", False),
        ("identity, gzip", True),
        ("identity;q=1, gzip;q=0.9", False),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("identity;q=0.5, *;q=0.4", False),
        ("gzip;q=0.5, *", False),
        ("identity;q=0", False),
        ("identity;q=0, *", True),
        ("deflate", False),
        ("br;q=1, gzip;q=0.1", True),
        # Some clients leave out the 0 before the point.
        ("gzip;q=.5", True),
        ("gzip;q=.0, *", False),
        ("gzip;q=.5, identity;q=.6", False),
        ("gzip;q=0., *", False),
        ("gzip;q=1.", True),
        ("gzip;q=., *;q=0", False),
        # What is no coding is passed over.
        ("gzip;q=2", False),
        ("gzip;level=9", False),
        ("gzip;q=", False),
        (",,gzip,", True),
        ("gzip gzip", False),
        (";q=1, gzip;q=0.3", True),
        # The first of two says it.
        ("gzip;q=0, gzip", False),
    ],
)
def test_accepted_codings(accepted: str | None, expected: bool) -> None:
    assert accepts_gzip(accepted) is expected


@given(
    st.text(max_size=40) | st.lists(st.sampled_from(["gzip", "*", ";q=0", ";q=.5", ",", " ", "identity"])).map("".join)
)
def test_any_header_is_read(accepted: str) -> None:
    assert accepts_gzip(accepted) in (True, False)


@given(st.binary(min_size=LEAST, max_size=50_000))
def test_any_body_reads_back(body: bytes) -> None:
    for codec in (isal_zlib, zlib):
        compression.codec, usual = codec, compression.codec
        try:
            found = asked("gzip", plain(body))
        finally:
            compression.codec = usual
        assert isinstance(found.body, bytes)
        assert gzip.decompress(found.body) == body


def test_a_body_and_its_headers(codec: ModuleType) -> None:
    body = b"year,clients\r\n2024,7\r\n" * 1000
    response = plain(body, ("Vary", "Accept"), ("Wolap-Rows", "7/7"))
    found = asked("gzip", response)
    assert isinstance(found.body, bytes)
    assert dict(found.headers) == {
        "Content-Type": "text/csv",
        "Content-Length": str(len(found.body)),
        "Content-Encoding": "gzip",
        "Vary": "Accept, Accept-Encoding",
        "Wolap-Rows": "7/7",
    }
    assert len(found.headers) == 5
    assert gzip.decompress(found.body) == body
    assert len(found.body) * 10 < len(body)
    # No time is in it: the same body gives the same bytes.
    assert found.body[:4] == b"\x1f\x8b\x08\x00"
    assert found.body[4:8] == bytes(4)
    assert asked("gzip", response).body == found.body


def test_who_does_not_accept_gets_the_body_as_it_is() -> None:
    response = plain(b"x" * LEAST)
    for accepted in (None, "identity", "br", "gzip;q=0"):
        found = asked(accepted, response)
        assert (found.status, found.body) == (200, response.body)
        assert found.headers == (*response.headers, ("Vary", "Accept-Encoding"))


def test_small_bodies_hang_on_nothing() -> None:
    response = plain(b"x" * (LEAST - 1), ("Vary", "Accept"))
    assert asked("gzip", response) is response


def test_a_status_without_content() -> None:
    response = Response(204, (("Allow", "GET"),), b"")
    assert asked("gzip", response, "OPTIONS") is response


def test_refusals_are_compressed_as_well(codec: ModuleType) -> None:
    found = asked("gzip", plain(b"what exists " * 200, status=400))
    assert found.status == 400
    assert gzip.decompress(found.read()) == b"what exists " * 200


@pytest.mark.parametrize("sizes", [[1], [5_000], [1, 1, 1], [100_000, 3, 70_000]])
def test_chunks_can_each_be_read_at_once(codec: ModuleType, sizes: list[int]) -> None:
    chunks = [bytes(range(256)) * (size // 256) + b"x" * (size % 256) for size in sizes]
    found = asked("gzip", plain(chunk for chunk in chunks))
    assert found.header("Content-Length") is None
    assert found.header("Content-Encoding") == "gzip"
    assert not isinstance(found.body, bytes)
    reader = zlib.decompressobj(wbits=31)
    assert [reader.decompress(chunk) for chunk in found.body] == [*chunks, b""]
    assert reader.eof


def test_chunks_are_closed_with_what_compresses_them(codec: ModuleType) -> None:
    closed: list[str] = []

    def chunks() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append("yes")

    found = asked("gzip", plain(chunks()))
    assert not isinstance(found.body, bytes)
    next(found.body)
    assert closed == []
    found.body.close()
    assert closed == ["yes"]


def test_an_error_between_chunks_leaves_no_end(codec: ModuleType) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a" * 3000
        raise MemoryError

    body = asked("gzip", plain(chunks())).body
    assert not isinstance(body, bytes)
    first = next(body)
    with pytest.raises(MemoryError):
        next(body)
    with pytest.raises(EOFError):
        gzip.decompress(first)


@pytest.mark.parametrize("server", [uvicorn_server, wsgiref_server])
def test_under_a_server(server: object, codec: ModuleType) -> None:
    expected = Endpoint(cube("country")).respond(Request("GET", TARGET), NOW).read()
    with server() as port:  # type: ignore[operator]
        ask = asker(port)
        status, headers, body = ask(TARGET, Accept_Encoding="br, gzip")
        assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "Accept-Encoding")
        assert headers["content-length"] == str(len(body)) != str(len(expected))
        assert ask(f"{TARGET}?metrics=sales", "HEAD")[1]["content-length"]
        # How fast it was stands at the foot.
        head = expected.partition(b"<footer>")[0]
        assert gzip.decompress(body).partition(b"<footer>")[0] == head
        _, headers, body = ask(TARGET, Accept_Encoding="gzip;q=0")
        assert ("content-encoding" in headers, headers["vary"]) == (False, "Accept-Encoding")
        assert body.partition(b"<footer>")[0] == head
        status, headers, body = ask(TARGET, "HEAD", Accept_Encoding="gzip")
        assert (status, headers["content-encoding"], headers["vary"], body) == (200, "gzip", "Accept-Encoding", b"")
        # Only compressing would tell.
        assert "content-length" not in headers
        headers = ask("/sales/v1?metrics=sales", Accept_Encoding="gzip")[1]
        assert ("content-encoding" in headers, headers["vary"]) == (False, "Accept")


@pytest.mark.parametrize("server", [uvicorn_server, wsgiref_server])
def test_turned_off(server: object) -> None:
    with server(gzip=False) as port:  # type: ignore[operator]
        _, headers, body = asker(port)(TARGET, Accept_Encoding="gzip")
    assert body.startswith(b"<!DOCTYPE")
    assert "vary" not in headers
    assert "content-encoding" not in headers


def test_without_isal_zlib_stands_in() -> None:
    program = (
        "import sys; sys.modules['isal'] = None\nfrom wolap.web import compression\nprint(compression.codec.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "zlib\n"
    assert compression.codec is isal_zlib
