"""Reports on campaigns as files: HTML with charts for reading, workbooks for working on.

The HTML stands alone: no script, nothing from outside, every value escaped.
"""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from core import durable
from core.errors import Invalid
from policy import workbook
from policy.closing import Reconciliation
from policy.forecast import Forecast, Total

_TEMPLATE = "forecast.html"
_MOST_BARS = 20
_ACT_HEADERS = (
    "Subscriber", "Serial", "Act", "Clause", "Because", "Province", "Reseller",
)  # fmt: skip
_ROW_HEADERS = ("Subscriber", "Serial", "Outcome", "Why")


def write(path: Path, forecast: Forecast) -> None:
    """Write what a simulation means, as its file's name says: .html or .xlsx."""
    if path.suffix == ".html":
        durable.write(path, html(forecast).encode(), mode=0o600)
    elif path.suffix == ".xlsx":
        workbook.write_tables(path, [("Acts", _ACT_HEADERS, _acts(forecast)), *_sums(forecast)])
    else:
        raise Invalid(f"A report is written as .html or .xlsx, not as {path.name!r}.")


def write_reconciliation(path: Path, done: Reconciliation) -> None:
    """Write what became of each certificate of a campaign's scope, as .xlsx."""
    if path.suffix != ".xlsx":
        raise Invalid(f"The account of a campaign is written as .xlsx, not as {path.name!r}.")
    rows = ((each.subscriber, each.serial, each.outcome, each.why) for each in done.rows)
    sums = [*done.counts.items(), ("scope", done.scope)]
    told = [(f"told {wave}", count) for wave, count in done.waves.items()]
    exempted = [(each.serial, each.until.isoformat(), each.because) for each in done.exemptions]
    workbook.write_tables(
        path,
        [
            ("Certificates", _ROW_HEADERS, rows),
            ("Sums", ("Outcome", "Certificates"), [*sums, *told]),
            ("Exemptions", ("Serial", "Until", "Because"), exempted),
        ],
    )


def html(forecast: Forecast) -> str:
    """Return the report as a page of HTML."""
    text = resources.files("policy").joinpath("pages", _TEMPLATE).read_text("utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
    charts = (
        ("By reseller", _bars(forecast.resellers)),
        ("By province", _bars(forecast.provinces)),
    )
    return page.render(forecast=forecast, charts=charts)


def _bars(totals: tuple[Total, ...]) -> list[tuple[Total, int]]:
    """Return the largest totals, the rest as one, each with its share of the longest in percent."""
    shown = list(totals[:_MOST_BARS])
    rest = totals[_MOST_BARS:]
    if rest:
        holds = sum(each.holds for each in rest)
        revocations = sum(each.revocations for each in rest)
        shown.append(Total(name=f"{len(rest)} more", holds=holds, revocations=revocations))
    longest = max((each.holds for each in shown), default=0) or 1
    return [(each, each.holds * 100 // longest) for each in shown]


def _acts(forecast: Forecast) -> Iterator[tuple[str, ...]]:
    for each in forecast.lines:
        yield (
            each.subscriber, each.serial, each.act, each.clause, each.because,
            each.province, each.reseller,
        )  # fmt: skip


def _sums(forecast: Forecast) -> Iterator[tuple[str, tuple[str, ...], list[tuple[object, ...]]]]:
    for name, totals in (("Resellers", forecast.resellers), ("Provinces", forecast.provinces)):
        rows: list[tuple[object, ...]] = [(t.name, t.holds, t.revocations) for t in totals]
        yield name, ("Name", "Holds", "Revocations"), rows
    facts: list[tuple[object, ...]] = [
        ("Campaign", forecast.campaign),
        ("Plan", forecast.digest),
        ("Rulebook", forecast.rulebook),
        ("Holds at", forecast.hold_at.isoformat()),
        ("Revokes at", forecast.revoke_at.isoformat()),
        ("Certificates in the scope", forecast.scope),
        ("Active certificates", forecast.active),
        ("Holds", forecast.holds),
        ("Revocations", forecast.revocations),
        ("CRL entries more", forecast.crl_entries),
        ("CRL bytes more", forecast.crl_bytes),
        ("OCSP answers that change at the hold", forecast.ocsp_at_hold),
        ("OCSP answers that change at the revocation", forecast.ocsp_at_revocation),
    ]
    yield "Plan", ("What", "Value"), facts
