"""One row of a register, pure: texts by column in, a subscriber or what is wrong with it out.

A register is kept by people in spreadsheets, so everything that deceives the eye or a program that
opens the file later (invisible characters, foreign look-alikes, formulas, markup) is refused by row
and column.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from policy.model import SubscriberKind
from policy.register import Personal, Subscriber

COLUMNS: Mapping[str, str] = {
    "customer_id": "Mã khách hàng",
    "kind": "Loại khách hàng",
    "tax_code": "Mã số thuế",
    "organisation": "Tên tổ chức",
    "short_name": "Tên rút gọn",
    "holder": "Người đứng tên",
    "title": "Chức danh",
    "province": "Tỉnh, thành phố",
    "representative": "Người đại diện pháp luật",
    "id_type": "Loại giấy tờ",
    "id_number": "Số giấy tờ",
    "id_expires": "Giấy tờ có giá trị đến",
    "phone": "Điện thoại",
    "email": "Thư điện tử",
    "address": "Địa chỉ nhận thư",
    "reseller": "Đại lý",
}
"""The columns of a register, by the name in CSV files, with the header in workbooks."""

OPTIONAL = frozenset({"address"})
"""The columns that a file may leave out; what the register has of them then stays."""

KINDS: Mapping[str, SubscriberKind] = {
    "Tổ chức": SubscriberKind.ORGANISATION,
    "Cá nhân": SubscriberKind.INDIVIDUAL,
    "Cá nhân thuộc tổ chức": SubscriberKind.STAFF,
}
_MOST_CHARACTERS = {"customer_id": 60, "reseller": 60, "province": 128, "tax_code": 20}
_MOST_OTHERWISE = 400
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MARKUP = re.compile(r"[<>{}\\$;|`^~]|\.\./|--")
_FORMULA = ("=", "+", "-", "@")
_BLANKS = re.compile(r"\s+")
_ONE_LINE = frozenset({"customer_id", "tax_code", "id_number", "phone", "email"})
_NEEDED = {
    SubscriberKind.ORGANISATION: ("organisation", "tax_code", "representative", "province"),
    SubscriberKind.INDIVIDUAL: ("holder", "id_type", "id_number", "province"),
    SubscriberKind.STAFF: (
        "organisation",
        "tax_code",
        "holder",
        "id_type",
        "id_number",
        "province",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong in one column of a row, a full sentence that repeats no value."""

    column: str
    sentence: str


def read(row: Mapping[str, str], now: datetime) -> Subscriber | tuple[Fault, ...]:
    """Return the subscriber that a row tells of, or its faults.

    The row has every column of `COLUMNS`, those of `OPTIONAL` perhaps.
    """
    faults = [each for column, text in row.items() for each in _faults(column, text)]
    values = {column: _clean(row[column]) for column in COLUMNS if column in row}
    kind = _kind(values["kind"])
    if kind is None:
        faults.append(Fault(column="kind", sentence=f"Write one of {', '.join(KINDS)}."))
    else:
        faults.extend(
            Fault(column=each, sentence=f"The column is needed for the kind {kind}.")
            for each in ("customer_id", *_NEEDED[kind])
            if not values[each]
        )
    if faults or kind is None:
        return tuple(faults)
    return Subscriber(
        id=values["customer_id"],
        kind=kind,
        tax_code=values["tax_code"],
        organisation=values["organisation"],
        short_name=values["short_name"],
        province=values["province"],
        reseller=values["reseller"],
        personal=Personal(**{name: values.get(name, "") for name in Personal.__slots__}),
        registered_at=now,
    )


def written(subscriber: Subscriber) -> dict[str, str]:
    """Return a subscriber as a row; `read` gives the same subscriber again."""
    kinds = {kind: word for word, kind in KINDS.items()}
    row = {name: getattr(subscriber.personal, name) for name in Personal.__slots__}
    row |= {name: getattr(subscriber, name) for name in COLUMNS if hasattr(subscriber, name)}
    row |= {"customer_id": subscriber.id, "kind": kinds[subscriber.kind]}
    return {column: row[column] for column in COLUMNS}


def differences(first: Subscriber, second: Subscriber) -> list[str]:
    """Return the columns in which two entries of one subscriber differ."""
    one, two = written(first), written(second)
    return [column for column in COLUMNS if one[column] != two[column]]


def kept(before: Subscriber, read: Subscriber, row: Mapping[str, str]) -> Subscriber:
    """Return what was read, with the register's own values of the columns that the file lacks."""
    own = {column: getattr(before.personal, column) for column in OPTIONAL if column not in row}
    return replace(read, personal=replace(read.personal, **own))


def column_of(header: str) -> str | None:
    """Return the column that a header means, in either language, or None."""
    text = _clean(header).casefold()
    for column, vietnamese in COLUMNS.items():
        if text in {column, vietnamese.casefold()}:
            return column
    return None


def neutral(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula; `read` undoes it."""
    return f"'{text}" if text.startswith((*_FORMULA, "\t", "\r", "'")) else text


def _clean(text: str) -> str:
    bare = text.removeprefix("'")
    return _BLANKS.sub(" ", unicodedata.normalize("NFC", bare)).strip()


def _kind(text: str) -> SubscriberKind | None:
    for word, kind in KINDS.items():
        if text.casefold() in {word.casefold(), kind.value}:
            return kind
    return None


def _faults(column: str, text: str) -> Iterator[Fault]:
    """Yield what is wrong with a text as it was written, and with its column's own form."""
    most = _MOST_CHARACTERS.get(column, _MOST_OTHERWISE)
    if len(text) > most:
        yield Fault(column=column, sentence=f"The text is longer than {most} characters.")
        return
    yield from (Fault(column=column, sentence=each) for each in _deceptions(column, text))
    value = _clean(text)
    if column == "customer_id" and value and not _ID.fullmatch(value):
        yield Fault(column=column, sentence="Write letters, digits, dots and dashes only.")
    if column == "id_expires" and value and not _is_day(value):
        yield Fault(column=column, sentence="Write the day as 2031-07-29.")
    if column == "email" and value and not re.fullmatch(r"[^@\s,]+@[^@\s,]+", value):
        yield Fault(column=column, sentence="This is no e-mail address.")


def _deceptions(column: str, text: str) -> Iterator[str]:
    if column in _ONE_LINE and re.search(r"[\r\n]", text.strip()):
        yield "The text must stand on one line."
    if any(unicodedata.category(each)[0] == "C" and each not in "\r\n\t" for each in text):
        yield "The text has invisible or control characters."
    if any(each.isalpha() and not _is_latin(each) for each in text):
        yield "The text has letters that are not Latin."
    if _MARKUP.search(text):
        yield "The text has characters of markup or programs."
    if text.removeprefix("'").lstrip().startswith(_FORMULA) and column != "phone":
        yield "The text begins like a formula."


def _is_latin(letter: str) -> bool:
    name = unicodedata.name(letter, "")
    return name.startswith("LATIN") or unicodedata.category(letter) == "Lm"


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).year > 0
    except ValueError:
        return False
