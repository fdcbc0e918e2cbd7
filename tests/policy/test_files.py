"""Files of documents: whole and harmless, sealed at rest, each reading in the audit trail."""

import contextlib
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid, NotFound, Refused
from policy import files, intake, scans
from policy.files import Store
from tests.support.dossiers import paper
from tests.support.office import Bureau


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int = 1, height: int = 1) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = _chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + header + data + _chunk(b"IEND", b"")


PNG = _png()
FRAME = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"
JPEG = b"\xff\xd8\xff\xe0\x00\x04AB" + FRAME + b"\xff\xda\x00\x02scan\xff\xd9"
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\nstartxref\n9\n%%EOF\n"


@pytest.mark.parametrize(
    ("content", "media"),
    [(PNG, "image/png"), (JPEG, "image/jpeg"), (PDF, "application/pdf")],
)
def test_whole_files_are_known_by_their_structure(content: bytes, media: str) -> None:
    """A PDF, a JPEG and a PNG are known without any name."""
    assert scans.media_type(content) == media


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<html>",
        b"MZ" + PDF,
        PDF[:-6],
        PDF + b"PK\x03\x04",
        PDF.replace(b"/Type", b"/JavaScript"),
        PDF.replace(b"/Type", b"/Encrypt"),
        PNG[:-1],
        PNG[:20] + b"\xff" + PNG[21:],
        PNG + b"<script>",
        _png(100_000, 100_000),
        _png(0, 1),
        JPEG[:-1],
        JPEG + b"PK",
        JPEG.replace(FRAME, b""),
        b"\xff\xd8\xff\xd9",
        b"%PDF-1.7" + b"0" * scans.MOST_BYTES,
    ],
)
def test_torn_active_and_foreign_files_are_refused(content: bytes) -> None:
    """What is torn, has a tail, runs something, is too large, or is something else is refused."""
    with pytest.raises(Invalid):
        scans.media_type(content)


@given(st.binary(max_size=200), st.sampled_from([PNG[:8], JPEG[:3], PDF[:8], b""]))
def test_any_bytes_are_answered(content: bytes, start: bytes) -> None:
    """Whatever is brought, it is a media type or one sentence."""
    with contextlib.suppress(Invalid):
        assert scans.media_type(start + content)


def _received(bureau: Bureau, folder: Path) -> tuple[Store, int]:
    store = Store(folder=folder / "files", vault=bureau.office.vault)
    bureau.enter("KH00001")
    filed = store.put("KH00001", PDF)
    (number,) = intake.receive(bureau.office, "KH00001", [paper("contract")], filed=filed)
    return store, number


def test_file_is_read_back_and_the_reading_is_audited(bureau: Bureau, tmp_path: Path) -> None:
    """A scan comes back as it was brought, and who read it why stands in the trail."""
    store, number = _received(bureau, tmp_path)
    filed, content = files.read(bureau.office, store, number, "Đối chiếu hồ sơ.", readers=["lan"])
    assert (filed.media_type, content) == ("application/pdf", PDF)
    entry = bureau.trail()[-1]
    assert (entry.act, entry.subject) == ("document.read", "subscriber:KH00001")


def test_nobody_reads_without_a_reason(lite: Bureau, tmp_path: Path) -> None:
    """A reading without a reason gives nothing out and adds nothing to the trail."""
    store, number = _received(lite, tmp_path)
    before = len(lite.trail())
    with pytest.raises(Invalid, match="for a reason"):
        files.read(lite.office, store, number, " ", readers=["lan"])
    assert len(lite.trail()) == before


def test_document_without_a_file(lite: Bureau, tmp_path: Path) -> None:
    """A paper that was never scanned has no file to read."""
    store, _ = _received(lite, tmp_path)
    (number,) = lite.bring("KH00001", "registration_form")
    with pytest.raises(NotFound, match="has no file"):
        files.read(lite.office, store, number, "x", readers=["lan"])


def test_files_are_sealed_at_rest(lite: Bureau, tmp_path: Path) -> None:
    """No byte of a scan, and no plain hash of it, can be seen in the folder."""
    store, _ = _received(lite, tmp_path)
    (path,) = (each for each in store.folder.rglob("*") if each.is_file())
    assert b"Catalog" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert store.put("KH00001", PDF).address == path.name
    assert store.put("KH00002", PDF).address != path.name


def test_changed_or_moved_file_does_not_open(lite: Bureau, tmp_path: Path) -> None:
    """A file whose bytes were changed, or that lies at another's address, is refused."""
    store, _ = _received(lite, tmp_path)
    first, second = store.put("KH00001", PDF), store.put("KH00001", PNG)
    places = [store.folder / each.address[:2] / each.address for each in (first, second)]
    places[1].write_bytes(places[0].read_bytes())
    with pytest.raises(Invalid, match="does not open"):
        store.get(second.address)
    for torn in (b"", places[0].read_bytes()[:-1]):
        places[0].write_bytes(torn)
        with pytest.raises(Invalid, match="does not open"):
            store.get(first.address)
    with pytest.raises(NotFound):
        store.get("00" * 32)


@pytest.mark.parametrize("readers", [[], ["mai"], ["LAN"], ["operator:lan"]])
def test_scans_are_read_with_the_role_alone(
    lite: Bureau, tmp_path: Path, readers: list[str]
) -> None:
    """Who has not the role reads nothing, and the attempt is in the audit trail."""
    store = Store(folder=tmp_path, vault=lite.office.vault)
    lite.enter("KH00001")
    contract = paper("contract", received=lite.clock.now())
    (number,) = intake.receive(lite.office, "KH00001", [contract], filed=store.put("KH00001", PDF))
    with pytest.raises(Refused, match="has not the role"):
        files.read(lite.office, store, number, "x", readers=readers)
    assert lite.trail()[-1].act == "document.read_refused"
