"""Registers as files: every row is answered, hostile files are refused whole, nothing twice."""

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid, NotFound
from policy import entries, exchange, workbook
from policy.exchange import Outcome, Result
from policy.records import subscribers
from policy.register import Subscriber
from tests.support.dossiers import at
from tests.support.office import Bureau

GOOD = {
    "customer_id": "KH00001",
    "kind": "Tổ chức",
    "tax_code": "0100112437",
    "organisation": "CÔNG TY TNHH MỘT",
    "short_name": "",
    "holder": "",
    "title": "",
    "province": "Hà Nội",
    "representative": "Trần Bảo Đại",
    "id_type": "CCCD",
    "id_number": "079185001234",
    "id_expires": "2031-07-29",
    "phone": "0912345678",
    "email": "dai@rieng-tu.example",
    "address": "Số 5 phố Hàng Gai",
    "reseller": "DL01",
}
NOW = at("2026-01-05 09:00")


def text_of(*rows: dict[str, str], **format_: str) -> str:
    """Return rows as CSV text."""
    target = io.StringIO()
    writer = csv.DictWriter(target, list(GOOD), **format_)  # type: ignore[arg-type] # csv's own
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


def file_of(folder: Path, *rows: dict[str, str]) -> Path:
    """Write rows as a CSV file."""
    path = folder / "register.csv"
    path.write_text(text_of(*rows), "utf-8")
    return path


def bring(
    bureau: Bureau, path: Path, *, dry_run: bool = False, amend: bool = False
) -> list[Result]:
    """Import a file."""
    return list(exchange.import_register(bureau.office, path, dry_run=dry_run, amend=amend))


def ids(bureau: Bureau) -> list[str]:
    """Return who is in the register."""
    with bureau.db.read() as tx:
        return subscribers.subscriber_ids(tx)


def test_rows_are_entered_once(bureau: Bureau, tmp_path: Path) -> None:
    """A file brought twice enters its subscribers once; the second time all are unchanged."""
    path = file_of(tmp_path, GOOD, {**GOOD, "customer_id": "KH00002"})
    assert [each.outcome for each in bring(bureau, path)] == [Outcome.NEW, Outcome.NEW]
    assert [each.outcome for each in bring(bureau, path)] == [Outcome.UNCHANGED] * 2
    assert ids(bureau) == ["KH00001", "KH00002"]
    entry = next(each for each in bureau.trail() if each.act == "register.import")
    assert '"new":2' in entry.detail


def test_interrupted_import_is_taken_up_by_repeating_it(lite: Bureau, tmp_path: Path) -> None:
    """What was entered before an interruption stays, and the same file enters the rest."""
    path = file_of(tmp_path, *({**GOOD, "customer_id": f"KH{n:05}"} for n in range(450)))
    stream = exchange.import_register(lite.office, path)
    next(stream)
    stream.close()
    assert 0 < len(ids(lite)) < 450
    outcomes = [each.outcome for each in bring(lite, path)]
    assert (outcomes.count(Outcome.NEW), outcomes.count(Outcome.UNCHANGED)) == (250, 200)


def test_dry_run_enters_nothing(lite: Bureau, tmp_path: Path) -> None:
    """A dry run gives the same answers, and leaves register and trail as they were."""
    path = file_of(tmp_path, GOOD, {**GOOD, "kind": "?"})
    before = len(lite.trail())
    dry = [each.outcome for each in bring(lite, path, dry_run=True)]
    assert ids(lite) == []
    assert len(lite.trail()) == before
    assert [each.outcome for each in bring(lite, path)] == dry


def test_amended_when_asked(lite: Bureau, tmp_path: Path) -> None:
    """Asked to amend, a row that differs changes the entry; the trail names columns, not values."""
    bring(lite, file_of(tmp_path, GOOD))
    path = file_of(tmp_path, {**GOOD, "province": "Huế", "phone": "0987654321"})
    assert [each.outcome for each in bring(lite, path, dry_run=True, amend=True)] == ["amended"]
    assert [each.outcome for each in bring(lite, path)] == ["refused"]
    assert [each.outcome for each in bring(lite, path, amend=True)] == ["amended"]
    assert [each.outcome for each in bring(lite, path, amend=True)] == ["unchanged"]
    (entry,) = [each for each in lite.trail() if each.act == "subscriber.amend"]
    assert json.loads(entry.detail)["changed"] == ["province", "phone"]
    assert "0987654321" not in entry.detail
    other = file_of(tmp_path, {**GOOD, "kind": "Cá nhân", "holder": "Lê Ngọc Hân"})
    assert bring(lite, other, amend=True)[0].outcome == "refused"


def test_column_left_out_stays_as_it_was(lite: Bureau, tmp_path: Path) -> None:
    """A file from before addresses were kept is taken, and erases none that the register has."""
    bring(lite, file_of(tmp_path, GOOD))
    shorter = {column: text for column, text in GOOD.items() if column != "address"}
    path = tmp_path / "shorter.csv"
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(shorter))
        writer.writeheader()
        writer.writerow(shorter | {"phone": "0987654321"})
        writer.writerow(shorter | {"customer_id": "KH00002"})
    outcomes = [each.outcome for each in bring(lite, path, amend=True)]
    assert outcomes == ["amended", "new"]
    with lite.db.read() as tx:
        found = subscribers.subscribers_of(tx, lite.office.vault, ["KH00001", "KH00002"])
    told = {name: (each.personal.phone, each.personal.address) for name, each in found.items()}
    assert told == {
        "KH00001": ("0987654321", "Số 5 phố Hàng Gai"),
        "KH00002": ("0912345678", ""),
    }


def test_entry_is_never_overwritten(lite: Bureau, tmp_path: Path) -> None:
    """A row that differs from the register is refused, and says in which columns."""
    bring(lite, file_of(tmp_path, GOOD))
    (result,) = bring(lite, file_of(tmp_path, {**GOOD, "phone": "0987654321"}))
    assert result.outcome is Outcome.REFUSED
    assert "Điện thoại" in result.sentences[0]


@pytest.mark.parametrize("twin", ["kh00001", " KH00001 "])
def test_duplicate_in_one_file_is_refused(lite: Bureau, tmp_path: Path, twin: str) -> None:
    """The same subscriber twice in a file, in other case or with blanks, is entered once."""
    results = bring(lite, file_of(tmp_path, GOOD, {**GOOD, "customer_id": twin}))
    assert [each.outcome for each in results] == [Outcome.NEW, Outcome.REFUSED]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("customer_id", "../../etc/passwd"),
        ("customer_id", ""),
        ("customer_id", "K" * 500),
        ("kind", "admin"),
        ("organisation", "=HYPERLINK(1)"),
        ("organisation", "'=1+1"),
        ("organisation", "@SUM(A1)"),
        ("organisation", "<script>alert(1)</script>"),
        ("organisation", "A'; DROP TABLE subscriber;--"),
        ("organisation", "${jndi:ldap://x}"),
        ("organisation", "{{7*7}}"),
        ("organisation", "CÔNG TY \u202eYT"),
        ("organisation", "CÔNG\u200bTY"),
        ("organisation", "СÔNG TY"),  # noqa: RUF001 - a Cyrillic letter
        ("organisation", "x" * 401),
        ("organisation", "A\x1b[31m"),
        ("id_expires", "2031-02-30"),
        ("id_expires", "99999999999999999999"),
        ("email", "a@b.example\r\nBcc: c@d.example"),
        ("email", "no address"),
        ("representative", ""),
    ],
)
def test_hostile_field_is_refused_by_line_and_column(
    lite: Bureau, tmp_path: Path, column: str, text: str
) -> None:
    """A field that deceives or cannot be is told with its column, and its neighbours enter."""
    good = {**GOOD, "customer_id": "KH00009"}
    results = bring(lite, file_of(tmp_path, {**GOOD, column: text}, good))
    assert [each.outcome for each in results] == [Outcome.REFUSED, Outcome.NEW]
    assert any(each.startswith(entries.COLUMNS[column]) for each in results[0].sentences)
    assert results[0].line > 1


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + text_of(GOOD),
        text_of(GOOD, lineterminator="\n"),
        text_of(GOOD, lineterminator="\r"),
        text_of(GOOD).replace("Trần", "\u0054\u0072\u0061\u0302\u0300n"),
        text_of({**GOOD, "organisation": "CÔNG TY\nTNHH MỘT"}),
        text_of(GOOD).replace("customer_id", "Mã khách hàng"),
        text_of(dict(reversed(GOOD.items()))),
    ],
)
def test_honest_variations_enter_alike(lite: Bureau, tmp_path: Path, text: str) -> None:
    """A byte order mark, any line end, NFD, a line break in a field and other headers are fine."""
    path = tmp_path / "register.csv"
    path.write_bytes(text.encode())
    assert [each.outcome for each in bring(lite, path)] == [Outcome.NEW]
    with lite.db.read() as tx:
        entered = subscribers.subscriber_of(tx, lite.office.vault, "KH00001")
    assert entered.organisation == "CÔNG TY TNHH MỘT"
    assert entered.personal.representative == "Trần Bảo Đại"


def _zip(name: str, size: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"0" * size)
    return target.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"customer_id,kind\r\nKH1,x\r\n",
        text_of(GOOD).replace("customer_id", "is_admin").encode(),
        text_of(GOOD).replace("short_name", "organisation").encode(),
        text_of(GOOD).encode("utf-16"),
        text_of(GOOD).replace("Ệ", "E").encode("latin-1", "replace").replace(b"?", b"\xe9"),
        text_of(GOOD).replace("DL01", "D\0L").encode(),
        text_of(GOOD).encode() + b'"open',
        gzip.compress(text_of(GOOD).encode()),
        text_of(GOOD).encode() + b"x" * (8 * 1024 * 1024),
        b"PK\x03\x04 not an archive",
        _zip("a.txt", 10),
        _zip("xl/workbook.xml", 513 * 1024 * 1024),
    ],
    ids=["empty", "missing", "unknown", "twice", "utf16", "latin1", "nul", "open", "gzip", "line",
         "torn", "nobook", "bomb"],
)  # fmt: skip
def test_file_that_is_not_what_it_seems_is_refused(
    lite: Bureau, tmp_path: Path, content: bytes
) -> None:
    """Another encoding, an archive, a bomb, a wrong header: one sentence, and nothing entered."""
    path = tmp_path / "register.csv"
    path.write_bytes(content)
    with pytest.raises(Invalid):
        bring(lite, path)
    assert ids(lite) == []


def test_missing_file_is_told(lite: Bureau, tmp_path: Path) -> None:
    """A file that is not there is no empty register."""
    with pytest.raises(NotFound):
        bring(lite, tmp_path / "none.csv")


@pytest.mark.parametrize("extra", [",x", ""])
def test_long_and_short_rows_are_told(lite: Bureau, tmp_path: Path, extra: str) -> None:
    """A row with a field too many or too few is refused by itself."""
    lines = text_of(GOOD, {**GOOD, "customer_id": "KH2"}).splitlines()
    lines[1] = lines[1] + extra if extra else lines[1].rsplit(",", 1)[0]
    path = tmp_path / "register.csv"
    path.write_text("\r\n".join(lines), "utf-8")
    assert [each.outcome for each in bring(lite, path)] == [Outcome.REFUSED, Outcome.NEW]


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_export_is_imported_unchanged(lite: Bureau, tmp_path: Path, name: str) -> None:
    """What was exported, brought back, is the register as it stands; the export is audited."""
    bring(lite, file_of(tmp_path, GOOD, {**GOOD, "customer_id": "KH2", "phone": "+84912345678"}))
    path = tmp_path / name
    assert exchange.export_register(lite.office, path) == 2
    assert [each.outcome for each in bring(lite, path)] == [Outcome.UNCHANGED] * 2
    assert "register.export" in [each.act for each in lite.trail()]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_no_exported_cell_is_a_formula(lite: Bureau, tmp_path: Path, name: str) -> None:
    """A name that begins like a formula leaves the register as plain text."""
    lite.enter("KH00001", organisation="=cmd|' /C calc'!A0", province="@SUM(1)", reseller="-1")
    path = tmp_path / name
    exchange.export_register(lite.office, path)
    if name.endswith("csv"):
        cells = [
            cell for row in csv.reader(path.read_text("utf-8-sig").splitlines()) for cell in row
        ]
    else:
        rows = list(openpyxl.load_workbook(path).active.iter_rows())
        assert {cell.data_type for row in rows for cell in row if cell.value} == {"s"}
        cells = [str(cell.value or "") for row in rows for cell in row]
    assert not [each for each in cells if each.startswith(("=", "+", "-", "@"))]


def test_template_offers_lists(tmp_path: Path) -> None:
    """The empty workbook has Vietnamese headers and a list to choose the kind from."""
    path = tmp_path / "mau.xlsx"
    workbook.write_register(path, [])
    sheet = openpyxl.load_workbook(path).active
    assert [cell.value for cell in sheet[1]] == list(entries.COLUMNS.values())
    formulas = [each.formula1 for each in sheet.data_validations.dataValidation]
    assert '"Tổ chức,Cá nhân,Cá nhân thuộc tổ chức"' in formulas


def test_results_come_back_as_a_workbook(tmp_path: Path) -> None:
    """Each row returns with its line, its outcome in Vietnamese and the sentences."""
    path = tmp_path / "ket-qua.xlsx"
    workbook.write_results(path, [(GOOD, 2, "refused", "Sai."), (GOOD, 3, "new", "")])
    sheet = openpyxl.load_workbook(path).active
    assert [cell.value for cell in sheet[2]][-3:] == [2, "Không nhận", "Sai."]


def test_number_and_formula_cells_are_told(lite: Bureau, tmp_path: Path) -> None:
    """A number loses its zeros and a formula is no text: both rows are refused by their cell."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(entries.COLUMNS.values()))
    sheet.append([*list(GOOD.values())[:2], 100112437, *list(GOOD.values())[3:]])
    sheet.append([*list(GOOD.values())[:3], "=1+1", *list(GOOD.values())[4:]])
    sheet.append(["KH00003", *list(GOOD.values())[1:]])
    path = tmp_path / "register.xlsx"
    book.save(path)
    results = bring(lite, path)
    assert [each.outcome for each in results] == [Outcome.REFUSED, Outcome.REFUSED, Outcome.NEW]
    assert "C2 holds a number" in results[0].sentences[0]
    assert "D3 holds a formula" in results[1].sentences[0]


@given(st.dictionaries(st.sampled_from(list(GOOD)), st.text(max_size=60)))
def test_any_row_is_answered(changes: dict[str, str]) -> None:
    """Whatever texts a row holds, it is a subscriber or a list of faults."""
    read = entries.read({**GOOD, **changes}, NOW)
    if isinstance(read, Subscriber):
        again = entries.read(entries.written(read), NOW)
        assert again == read
    else:
        assert read


@pytest.mark.long
def test_twenty_thousand_rows(lite: Bureau, tmp_path: Path) -> None:
    """A register of 20,000 rows is streamed in."""
    path = file_of(tmp_path, *({**GOOD, "customer_id": f"KH{n:05}"} for n in range(20_000)))
    results = bring(lite, path)
    assert {each.outcome for each in results} == {Outcome.NEW}
    assert len(results) == 20_000
