"""Names that we build: characters, not bytes; from the register; nothing that deceives the eye."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ca import holders, names, written
from core.errors import Refused

_LONG = "CÔNG TY TRÁCH NHIỆM HỮU HẠN THƯƠNG MẠI - XÂY DỰNG ĐỨC THỊNH"


def _subject(**changes: object) -> names.Subject:
    values: dict[str, object] = {
        "common_name": "CÔNG TY CỔ PHẦN VẬN TẢI PHÚ QUÝ",
        "province": "Hà Nội",
        "identifiers": ("MST:9980580384",),
    }
    return names.Subject(**(values | changes))  # type: ignore[arg-type] # the test's own values


def test_organisation() -> None:
    """An organisation's name has country, province, name and tax code, in this order."""
    built = names.build(_subject())
    assert [(each.oid, each.value) for each in built] == [
        (NameOID.COUNTRY_NAME, "VN"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Hà Nội"),
        (NameOID.COMMON_NAME, "CÔNG TY CỔ PHẦN VẬN TẢI PHÚ QUÝ"),
        (NameOID.USER_ID, "MST:9980580384"),
    ]


def test_staff_has_two_identifiers() -> None:
    """Staff have the person as CN, the company as O, a title, and two UID attributes."""
    built = names.build(
        _subject(
            common_name="Ngô Đức Nga",
            organisation="CÔNG TY TNHH THỦY SẢN TRƯỜNG SINH",
            title="Kế toán trưởng",
            locality="Thủ Dầu Một",
            identifiers=("MST:9923394409", "CMND:254517475"),
        )
    )
    assert [rdn_size for rdn_size in map(len, built.rdns) if rdn_size != 1] == []
    held = [each.value for each in built.get_attributes_for_oid(NameOID.USER_ID)]
    assert held == ["MST:9923394409", "CMND:254517475"]


def test_characters_are_counted_not_bytes() -> None:
    """A legal Vietnamese name of up to 64 characters is built although its bytes are over 64."""
    longest = (_LONG + " " + _LONG)[:64].strip()
    assert len(longest.encode()) > 64
    built = names.build(_subject(common_name=longest))
    assert built.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == longest


def test_one_character_too_many() -> None:
    """A name of 65 characters is refused with its length and the mend, and never cut."""
    with pytest.raises(Refused, match="has 65 characters; the limit is 64") as caught:
        names.build(_subject(common_name="Ă" * 65))
    assert caught.value.code == "name_too_long"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "name_blank"),
        ("   ", "name_blank"),
        (" Phú Quý", "name_blank"),
        ("Phú\u0000Quý", "name_character"),
        ("Phú\r\nQuý", "name_character"),
        ("Phú\u202eQuý", "name_character"),
        ("Phú\u200bQuý", "name_character"),
        ("Phú\u00a0Quý", "name_character"),
        ("Phu\u0301 Quy\u0301", "name_not_nfc"),
        ("\u0410\u0411\u0412 Bank", "name_script"),
        ("Vietc\u043embank", "name_script"),
        ("\uff21 Company", "name_script"),
        ("-", "name_empty"),
        ("...", "name_empty"),
    ],
)
def test_deceiving_names_are_refused(value: str, code: str) -> None:
    """Blank, invisible, decomposed, look-alike and empty names are refused, each by its rule."""
    with pytest.raises(Refused) as caught:
        names.build(_subject(common_name=value))
    assert caught.value.code == code
    assert "common name" in str(caught.value)


@pytest.mark.parametrize("country", ["vn", "VNM", "V1", "V"])
def test_country(country: str) -> None:
    """A country that is not two capital letters is refused."""
    with pytest.raises(Refused) as caught:
        names.build(_subject(country=country))
    assert caught.value.code == "name_country"


@pytest.mark.parametrize(
    "value",
    ["=cmd|'/c calc'!A1", "<script>alert(1)</script>", "'; DROP TABLE certificate; --", "A, CN=B"],
)
def test_text_is_text(value: str) -> None:
    """What would be a formula, a page or a statement elsewhere is only text in a name."""
    built = names.build(_subject(common_name=value))
    assert built.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == value
    assert holders.same(written.read(built.rfc4514_string()), built)


def test_identifier_is_required() -> None:
    """A subject without tax code, identity card or passport is refused."""
    with pytest.raises(Refused, match="no identifier"):
        names.build(_subject(identifiers=()))


_letters = st.text("ABCĐƠƯàảãáạăâđêôơư0123456789 .,-&/", min_size=1, max_size=64)


@given(name=_letters, province=_letters)
def test_built_names_read_back(name: str, province: str) -> None:
    """Whatever the register holds is refused, or comes back from the name's DER as it was."""
    try:
        built = names.build(_subject(common_name=name, province=province))
    except Refused:
        return
    again = x509.Name(list(built))
    assert again.public_bytes() == built.public_bytes()
    holder = holders.read(again)
    assert holder.common_name == " ".join(name.split())
    assert holder.tax_code == "9980580384"
