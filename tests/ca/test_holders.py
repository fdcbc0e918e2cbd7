"""Names that others wrote: real certificates, and every way of writing a name as text."""

import random
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from stdnum.vn import mst

from ca import holders, identifiers, written
from ca.identifiers import Kind, Label
from core.errors import Invalid

REAL = Path(__file__).parents[1] / "data" / "certificates"
_OPTIONS = [
    "compat", "RFC2253", "oneline", "oneline,utf8,-esc_msb", "RFC2253,-esc_msb,utf8",
    "RFC2253,use_quote,-esc_msb,utf8", "RFC2253,dump_all,dump_der",
    "compat,sep_multiline,lname,utf8",
]  # fmt: skip


def _real(name: str) -> x509.Name:
    return x509.load_pem_x509_certificate((REAL / f"{name}.pem").read_bytes()).subject


@pytest.mark.parametrize(
    ("file", "name", "tax_code"),
    [
        ("fpt_tct", "Tổng cục Thuế", "0100231226"),
        ("safeca", "MÃ SỐ THUẾ TEST 109", "0106324653"),
        (
            "viettel1",
            "CÔNG TY TRÁCH NHIỆM HỮU HẠN THƯƠNG MẠI - XÂY DỰNG ĐỨC THỊNH",
            "3500807781",
        ),
        ("vnpt_vcb", "NGÂN HÀNG THƯƠNG MẠI CỔ PHẦN NGOẠI THƯƠNG VIỆT NAM", "0100112437"),
    ],
)
def test_real_subscribers(file: str, name: str, tax_code: str) -> None:
    """Real certificates of four CAs give name and tax code without a doubt."""
    holder = holders.read(_real(file))
    assert (holder.common_name, holder.tax_code) == (name, tax_code)
    assert holder.doubts == ()
    assert not holder.of_person


def test_tax_code_in_the_place_of_the_organisation() -> None:
    """`O=MST:...` without a UID is a tax code, and no organisation's name."""
    holder = holders.read(_real("fpt_tct"))
    assert holder.organisation == ""
    assert holder.locality == "Sô 123 Lò Đúc , Hai Bà Trưng, Hà Nội"


def test_a_name_without_identifier_is_doubted() -> None:
    """A CA's own name has no tax code: that is said, and the name is read all the same."""
    holder = holders.read(_real("fast_ca"))
    assert holder.organisation == "CÔNG TY CỔ PHẦN CHỮ KÝ SỐ FASTCA"
    assert "ask the register" in holder.doubts[0]


@pytest.mark.parametrize("options", _OPTIONS)
@pytest.mark.parametrize("file", ["fast_ca", "fpt_tct", "safeca", "viettel1", "vnpt_vcb"])
def test_openssl_writes_it(file: str, options: str) -> None:
    """Every form in which openssl prints a real name is read as that same name."""
    command = ["openssl", "x509", "-noout", "-subject", "-nameopt", options, "-in"]
    done = subprocess.run([*command, REAL / f"{file}.pem"], check=True, capture_output=True)
    text = done.stdout.decode().strip().removeprefix("subject=")
    assert holders.same(written.read(text), _real(file))


@pytest.mark.parametrize(
    "text",
    [
        'CN=Nga, O="CÔNG TY A, B", S=Hà Nội, C=VN, UID=MST:0100112437',
        "C=VN,ST=Hà Nội,O=CÔNG TY A\\, B,CN=Nga,UID=MST:0100112437",
        "/C=VN/ST=Hà Nội/O=CÔNG TY A, B/CN=Nga/UID=MST:0100112437",
        "/C=VN/ST=H\\xC3\\xA0 N\\xE1\\xBB\\x99i/O=C\\xC3\\x94NG TY A, B/CN=Nga/UID=MST:0100112437",
        "OID.0.9.2342.19200300.100.1.1=MST:0100112437; CN=Nga; O=CÔNG TY A, B; S=Hà Nội; C=VN",
        "userId = MST:0100112437 + CN = Nga, O = CÔNG TY A\\2C B, ST = H\\C3\\A0 Nội, C = VN",
        "2.5.4.3=nga,2.5.4.10=công ty  A\\, B,2.5.4.8=HÀ NỘI,2.5.4.6=vn,UID=mst:0100112437",
        "cn=#0C034e6761,o=CÔNG TY A\\, B,st=Hà Nội,c=VN,uid=MST:0100112437",
    ],
)
def test_written_variants_are_one_name(text: str) -> None:
    """Order, quotes, escapes, octets, key spellings, case and blanks do not make another name."""
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
        x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Hà Nội"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "CÔNG TY A, B"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Nga"),
        x509.NameAttribute(NameOID.USER_ID, "MST:0100112437"),
    ]
    read = written.read(text)
    assert holders.same(read, x509.Name(attributes))
    assert holders.read(read).tax_code == "0100112437"


@pytest.mark.parametrize(
    "other",
    [
        "CN=Nga,C=VN",
        "CN=Nga,O=A,O=A,C=VN",
        "CN=Nga,OU=A,C=VN",
        "CN=Ngà,O=A,C=VN",
    ],
)
def test_other_names_are_other(other: str) -> None:
    """A missing, doubled, differently typed or differently spelt part makes another name."""
    assert not holders.same(written.read("CN=Nga,O=A,C=VN"), written.read(other))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Nga", "cannot be read from 'Nga'"),
        ("CN=Nga,XYZ", None),
        ("CN=Nga,\x00", None),
        ("nobody=Nga", "cannot be read"),
        ("CN=#0C", "not one encoded string"),
        ("CN=#0C054E", "not one encoded string"),
        ("CN=#02014E", "not one encoded string"),
        ("CN=\\C3", "not UTF-8"),
        ("CN=" + "A" * 8192, "8192 are read"),
        ('CN="Nga" x', "cannot be read"),
    ],
)
def test_unreadable_text(text: str, sentence: str | None) -> None:
    """Text that is no name is refused with a sentence; a stray tail stays part of the value."""
    if sentence is None:
        assert holders.read(written.read(text)).common_name.startswith("Nga")
        return
    with pytest.raises(Invalid, match=sentence):
        written.read(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text breaks the reader: it is a name, or it is refused."""
    try:
        name = written.read("CN=" + text)
    except Invalid:
        return
    holders.read(name)


@given(st.permutations(list(_real("safeca"))), st.randoms())
def test_names_are_sets(attributes: list[x509.NameAttribute], chance: random.Random) -> None:
    """Any order of attributes and any grouping into RDNs is the same name and holder."""
    rdns, at = [], 0
    while at < len(attributes):
        size = chance.randint(1, 2)
        group = attributes[at : at + size]
        rdns.append(x509.RelativeDistinguishedName(group))
        at += size
    shuffled = x509.Name(rdns)
    assert holders.same(shuffled, _real("safeca"))
    assert holders.read(shuffled) == holders.read(_real("safeca"))


@pytest.mark.parametrize(
    ("text", "label", "number", "kinds"),
    [
        ("MST:0100112437", Label.MST, "0100112437", {Kind.TAX_CODE}),
        ("mst: 0100686209-199", Label.MST, "0100686209-199", {Kind.BRANCH_TAX_CODE}),
        ("MST\uff1a001099012345", Label.MST, "001099012345", {Kind.PERSONAL_NUMBER}),
        ("CMND:254517475", Label.CMND, "254517475", {Kind.OLD_IDENTITY_CARD}),
        ("CMTND:254517475", Label.CMND, "254517475", {Kind.OLD_IDENTITY_CARD}),
        ("CCCD:080195934574", Label.CCCD, "080195934574", {Kind.PERSONAL_NUMBER}),
        ("HC:B1234567", Label.HC, "B1234567", {Kind.PASSPORT}),
        ("QĐ:01/2020/QĐ-UBND", Label.QD, "01/2020/QĐ-UBND", set()),
        ("QD:01/2020", Label.QD, "01/2020", set()),
        ("BHXH:TA0001A", Label.BHXH, "TA0001A", set()),
        ("VATVN-0100112437", Label.MST, "0100112437", {Kind.TAX_CODE}),
        ("IDCVN-080195934574", Label.CCCD, "080195934574", {Kind.PERSONAL_NUMBER}),
        ("PASVN-B1234567", Label.HC, "B1234567", {Kind.PASSPORT}),
        ("0100112437", None, "0100112437", {Kind.TAX_CODE}),
    ],
)
def test_identifiers(text: str, label: Label | None, number: str, kinds: set[Kind]) -> None:
    """Labels and numbers are read in the field's spellings, and the number's shape is known."""
    found = identifiers.read(text)
    assert found is not None
    assert (found.label, found.number, found.kinds) == (label, number, frozenset(kinds))


def test_the_label_does_not_decide() -> None:
    """`CMND:` before twelve digits is doubted, and the digits stay what they are."""
    found = identifiers.read("CMND:080195934574")
    assert found is not None
    assert found.kinds == {Kind.PERSONAL_NUMBER}
    assert "labelled CMND but looks like personal_number" in found.doubts[0]


@pytest.mark.parametrize("code", ["0100112437", "3500807781", "0106324653", "0100686209-199"])
def test_good_check_digits(code: str) -> None:
    """Real tax codes pass the check without a doubt."""
    found = identifiers.read(f"MST:{code}")
    assert found is not None
    assert found.doubts == ()


def test_bad_check_digit_is_a_doubt() -> None:
    """A tax code whose check digit does not fit is doubted, not refused."""
    found = identifiers.read("MST:0101234567")
    assert found is not None
    assert "check digit" in found.doubts[0]


@given(st.from_regex(r"[0-9]{10}", fullmatch=True))
def test_check_digit_agrees_with_stdnum(code: str) -> None:
    """The check digit is computed as the public library for official numbers computes it."""
    if code[2:9] != "0000000":  # no such codes; the library looks at that too
        assert identifiers.check_digit_fits(code) == mst.is_valid(code)


@pytest.mark.parametrize("oid", [NameOID.ORGANIZATION_IDENTIFIER, NameOID.SERIAL_NUMBER])
def test_identifier_elsewhere(oid: x509.ObjectIdentifier) -> None:
    """The organisation identifier and serialNumber are read like UID, labelled or not."""
    for value in ("MST:0100112437", "VATVN-0100112437"):
        assert holders.read(x509.Name([x509.NameAttribute(oid, value)])).tax_code == "0100112437"


def test_staff() -> None:
    """Of two UIDs the organisation's comes first, and the person is seen."""
    text = "CN=Nga,O=A,T=Kế toán,UID=CMND:254517475,UID=MST:0100112437,C=VN"
    holder = holders.read(written.read(text))
    assert [str(each) for each in holder.identifiers] == ["MST:0100112437", "CMND:254517475"]
    assert holder.of_person
    assert (holder.title, holder.tax_code) == ("Kế toán", "0100112437")


def test_two_tax_codes_are_doubted() -> None:
    """A name that bears two tax codes is doubted."""
    holder = holders.read(written.read("CN=A,O=MST:0100112437,UID=MST:3500807781"))
    assert any("2 tax codes" in each for each in holder.doubts)
