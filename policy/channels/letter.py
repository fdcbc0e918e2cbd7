"""Letters as PDF, one file each, laid into a folder from which the office prints and posts them.

The font is embedded, for Vietnamese letters are in none of the fonts that every reader has.
"""

import html
import io
import zlib
from datetime import timedelta
from pathlib import Path

from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer

from core import durable
from policy.channels.letters import Away, Message, Receipt, Recipient
from policy.wording import Letterhead

_MARGIN = 25 * mm
rl_config.invariant = 1  # the same letter is the same file: no date of making in it


class Letters:
    """Writes each notice as a letter; one that is written again is the same file."""

    name = "letter"

    def __init__(self, folder: Path, font: Path, letterhead: Letterhead) -> None:
        """Write into `folder` with the TrueType font `font`, which is read with the first one."""
        self._folder = folder
        self._font = font
        self._face = f"antin{zlib.crc32(bytes(font)):08x}"
        self._letterhead = letterhead

    def reaches(self, to: Recipient) -> bool:
        """Whether a letter serves and there is a name; an address that lacks the office adds."""
        return bool(to.name) and to.by_post

    def send(self, message: Message) -> Receipt:
        """Write one letter, durably; raises Away when font or folder are not there."""
        name = f"{message.number:08}-{message.kind}.pdf"
        content = self._pdf(message)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.write(self._folder / name, content, mode=0o600)
        except OSError as error:
            raise Away(
                f"The folder of letters {self._folder} cannot be written: {error.strerror}.",
                pause=timedelta(0),
            ) from None
        return Receipt(reference=name)

    def close(self) -> None:
        """Nothing is held open."""

    def _pdf(self, message: Message) -> bytes:
        try:
            if self._face not in pdfmetrics.getRegisteredFontNames():
                pdfmetrics.registerFont(TTFont(self._face, str(self._font)))
        except (TTFError, OSError):
            raise Away(
                f"The font {self._font} cannot be read; install fonts-dejavu-core or name another "
                "TrueType font."
            ) from None
        out = io.BytesIO()
        page = SimpleDocTemplate(
            out,
            pagesize=A4,
            leftMargin=_MARGIN,
            rightMargin=_MARGIN,
            topMargin=_MARGIN,
            bottomMargin=_MARGIN,
            title=message.subject,
            author=self._letterhead.authority,
        )
        page.build(self._story(message))
        return out.getvalue()

    def _story(self, message: Message) -> list[Flowable]:
        body = ParagraphStyle("body", fontName=self._face, fontSize=11, leading=16)
        head = ParagraphStyle("head", parent=body, fontSize=13, leading=20)
        small = ParagraphStyle("small", parent=body, fontSize=9, leading=12)
        where = (message.to.address, message.to.province)
        story: list[Flowable] = [
            Paragraph(_plain(self._letterhead.authority), head),
            Paragraph(f"{message.dated} · {message.number}", small),
            Spacer(0, 12 * mm),
            Paragraph(_plain(message.to.name), body),
            *(Paragraph(_plain(line), body) for line in where if line),
            Spacer(0, 10 * mm),
            Paragraph(_plain(message.subject), head),
        ]
        story.extend(
            Paragraph(_plain(line), body) if line.strip() else Spacer(0, 3 * mm)
            for line in message.text.splitlines()
        )
        return story


def _plain(text: str) -> str:
    """Return `text` as the letters it is made of: nothing in a name is mark-up."""
    return html.escape(text, quote=False)
