"""Letters as PDF, read back by a library that wrote none of it."""

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from policy.channels.letter import Letters
from policy.channels.letters import Away, Recipient
from policy.deliver import deliver_due
from tests.support.dossiers import ANNOUNCED_AT
from tests.support.office import Bureau, person
from tests.support.post import LETTERHEAD, message, post

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


@pytest.fixture
def letters(tmp_path: Path) -> Letters:
    """The channel, its folder not there yet."""
    return Letters(tmp_path / "letters", FONT, LETTERHEAD)


def _read(path: Path) -> str:
    text = "\n".join(page.extract_text() for page in PdfReader(path).pages)
    return " ".join(text.split())


def test_letter_in_vietnamese(letters: Letters, tmp_path: Path) -> None:
    """Every Vietnamese letter can be read back, and the font is inside."""
    alphabet = "ăâđêôơư ÁÀẢÃẠ ẮẰẲẴẶ ẤẦẨẪẬ éèẻẽẹ ếềểễệ íìỉĩị óòỏõọ ốồổỗộ ớờởỡợ úùủũụ ứừửữự ýỳỷỹỵ"
    receipt = letters.send(message(7, text=f"Kính gửi Quý khách\n\n{alphabet}\n"))
    path = tmp_path / "letters" / "00000007-hold.pdf"
    assert receipt.reference == path.name
    text = _read(path)
    assert alphabet in text
    assert "LCS-CA 20/03/2024 · 7" in text
    assert "CÔNG TY TNHH SỐ 1 - Lê Ngọc Hân Số 5 phố Hàng Gai Hà Nội" in text
    assert b"/FontFile2" in path.read_bytes()


def test_letters_are_private_and_the_same(letters: Letters, tmp_path: Path) -> None:
    """A letter that is written again is the same file, readable by its owner alone."""
    letters.send(message(7))
    folder = tmp_path / "letters"
    (path,) = folder.iterdir()
    before = path.read_bytes()
    letters.send(message(7))
    assert path.read_bytes() == before
    assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(path.stat().st_mode)) == (
        0o700,
        0o600,
    )


def test_long_letter_has_pages(letters: Letters, tmp_path: Path) -> None:
    """A long list of papers goes on over the next page, and ends."""
    lines = [f"  - giấy tờ thứ {number}" for number in range(150)]
    letters.send(message(7, text="\n".join(lines)))
    text = _read(tmp_path / "letters" / "00000007-hold.pdf")
    assert "giấy tờ thứ 0 " in text
    assert text.endswith("giấy tờ thứ 149")


@settings(max_examples=30)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_names_are_no_markup(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A name with tags, entities or breaks in it makes a letter all the same."""
    folder = tmp_path_factory.mktemp("letters")
    hostile = f'<b>{name}</i>&amp;<img src="file:///etc/passwd"/>'
    Letters(folder, FONT, LETTERHEAD).send(
        message(1, to=Recipient(name=hostile), subject=hostile, text=hostile)
    )
    assert PdfReader(folder / "00000001-hold.pdf").pages


def test_markup_is_shown_as_it_is(letters: Letters, tmp_path: Path) -> None:
    """What looks like a tag in a name is printed as letters."""
    letters.send(message(7, to=Recipient(name="<b>A & B</b>")))
    assert "<b>A & B</b>" in _read(tmp_path / "letters" / "00000007-hold.pdf")


def test_font_that_is_missing(tmp_path: Path) -> None:
    """Without its font no letter is made, and the sentence says what to install."""
    with pytest.raises(Away, match="install fonts-dejavu-core"):
        Letters(tmp_path, tmp_path / "no.ttf", LETTERHEAD).send(message(1))


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is a file is said to be one, and nothing is lost."""
    (tmp_path / "letters").touch()
    with pytest.raises(Away, match="cannot be written"):
        Letters(tmp_path / "letters", FONT, LETTERHEAD).send(message(1))


def test_notices_as_letters(lite: Bureau, letters: Letters, tmp_path: Path) -> None:
    """A reminder as a letter names its addressee and the missing papers, in both languages."""
    lite.enrol("KH00001", without=["contract"])
    lite.move(ANNOUNCED_AT)
    lite.campaign()
    assert deliver_due(lite.office, post(letters)) == 1
    (path,) = (tmp_path / "letters").iterdir()
    text = _read(path)
    for expected in ("- hợp đồng", "- contract", person("KH00001").holder, "20/03/2024"):
        assert expected in text
