"""antin dossier, document: the registration desk."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from app.cli.desk import AsJson, Place, console, day, place, show
from core import durable
from core.errors import Invalid
from policy import access, facts, files, intake, rules
from policy.model import Document, Verdict
from policy.records import documents, subscribers

FILES_FOLDER = "documents"

dossier = typer.Typer(no_args_is_help=True, help="A subscriber's dossier.")
document = typer.Typer(no_args_is_help=True, help="The papers of dossiers.")

Subscriber = Annotated[str, typer.Argument(help="The subscriber's id in the register.")]
Number = Annotated[int, typer.Argument(help="The document's number (antin dossier show).")]


@dossier.command(name="show")
def show_dossier(
    context: typer.Context, subscriber: Subscriber, *, as_json: AsJson = False
) -> None:
    """Show a subscriber's papers and what is still missing. Example: antin dossier show KH00001."""
    desk = place(context)
    with desk.works.db.read() as tx:
        known = facts.of_wanted(tx, subscriber)
        papers = documents.numbered_documents(tx, subscriber)
        warnings = subscribers.warnings_of(tx, subscriber)
        places = documents.places_of(tx, subscriber)
    rulebook = desk.office.rulebook(desk.works.clock.now(), known)
    judgement = rules.judge(known.kind, known.documents, rulebook)
    rows = [
        {
            "number": number,
            "case": of_case,
            "document": paper.kind,
            "form": paper.form,
            "received": paper.received_at,
            "verdict": paper.verdict,
            "reason": paper.reason,
            "copies": places[number].copies,
            "place": str(places[number]),
        }
        for number, of_case, paper in papers
    ]
    lacks = [lack.why for lack in judgement.lacks]
    if as_json:
        whole = {
            "subscriber": subscriber,
            "state": judgement.state,
            "rulebook": rulebook.reference,
            "lacks": lacks,
            "warnings": warnings,
        }
        show([{**whole, "documents": rows}], as_json=True)
        return
    show(rows, as_json=False, title=f"{subscriber}: {judgement.state} ({rulebook.reference})")
    for sentence in (*lacks, *(f"To check: {each}" for each in warnings)):
        console.print(sentence, markup=False)


@dossier.command()
def reopen(
    context: typer.Context,
    subscriber: Subscriber,
    because: Annotated[str, typer.Option(help="Why, in a sentence for the audit trail.")],
) -> None:
    """Judge a dossier by today's rules from now on, not by those of the day it was opened.

    Example: antin dossier reopen KH00001 --because "Khách hàng nộp lại toàn bộ hồ sơ."
    """
    intake.reopen(place(context).office, subscriber, because)
    console.print(f"The dossier of {subscriber} is judged by today's rules.")


@dossier.command(name="code")
def give_code(
    context: typer.Context,
    subscriber: Subscriber,
    *,
    send: Annotated[bool, typer.Option("--send", help="Send it as notices are sent.")] = False,
) -> None:
    """Make a new look-up code for a subscriber, who reads more on the look-up pages with it.

    Without --send hand it over by a contact that is the subscriber's own. Example: antin dossier
    code KH00001 --send
    """
    code = access.give_code(place(context).office, subscriber, send=send)
    if send:
        console.print(f"A look-up code goes to {subscriber}, for 90 days.")
    else:
        console.print(f"The look-up code of {subscriber} is {code}, for 90 days.")


@document.command()
def receive(
    context: typer.Context,
    subscriber: Subscriber,
    kind: Annotated[str, typer.Option(help="Which document, in the rulebook's word.")],
    form: Annotated[str, typer.Option(help="In which form it came, in the rulebook's word.")],
    *,
    expires: Annotated[str, typer.Option(help="The last day of an ID's validity.")] = "",
    file: Annotated[Path | None, typer.Option(help="Its scan: PDF, JPEG or PNG.")] = None,
    id_kind: Annotated[str, typer.Option(help="Which ID it is, in the rulebook's word.")] = "",
) -> None:
    """Record a paper that arrived; an officer accepts or rejects it afterwards.

    Example: antin document receive KH00001 --kind contract --form paper_original
    """
    desk = place(context)
    now = desk.works.clock.now()
    rulebook = desk.office.rulebook(now)
    _known(kind, rulebook.documents.keys(), "document")
    _known(form, rulebook.forms.keys(), "form")
    if id_kind and rulebook.ids.kinds:
        _known(id_kind, rulebook.ids.kinds.keys(), "kind of ID")
    paper = Document(
        kind=kind,
        form=form,
        verdict=Verdict.PENDING,
        received_at=now,
        expires_on=day(expires) if expires else None,
        id_kind=id_kind,
    )
    filed = None if file is None else _store(desk).put(subscriber, file.read_bytes())
    (number,) = intake.receive(desk.office, subscriber, [paper], filed=filed)
    console.print(f"The paper has the number {number}.")


@document.command(name="place")
def place_paper(
    context: typer.Context,
    number: Number,
    *,
    at: Annotated[str, typer.Option("--office", help="The office.")] = "",
    box: Annotated[str, typer.Option(help="The box.")] = "",
    shelf: Annotated[str, typer.Option(help="The shelf.")] = "",
    copies: Annotated[int, typer.Option(min=1, max=99, help="How many copies.")] = 1,
) -> None:
    """Record where a paper lies.

    Example: antin document place 17 --office HN --box 12 --shelf 3 --copies 2
    """
    where = documents.Place(office=at, box=box, shelf=shelf, copies=copies)
    owner = intake.place(place(context).office, number, where)
    console.print(f"The paper {number} of {owner} lies at {where}, {copies} copies.", markup=False)


@document.command()
def read(
    context: typer.Context,
    number: Number,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    because: Annotated[str, typer.Option(help="Why, for the audit trail.")],
) -> None:
    """Write a paper's scan to a file, for those with the role; the reading is in the audit trail.

    Example: antin document read 17 --out 17.pdf --because "Đối chiếu hồ sơ."
    """
    desk = place(context)
    readers = desk.instance.config.documents.readers
    filed, content = files.read(desk.office, _store(desk), number, because, readers=readers)
    durable.write(out, content, mode=0o600)
    console.print(f"The paper {number} ({filed.media_type}) is written to {out}.")


@document.command()
def accept(context: typer.Context, number: Number) -> None:
    """Accept a paper; a dossier that is complete by it restores at once.

    Example: antin document accept 17
    """
    owner = intake.judge(place(context).office, number, Verdict.ACCEPTED)
    console.print(f"The paper {number} of {owner} is accepted.")


@document.command()
def reject(
    context: typer.Context,
    number: Number,
    reason: Annotated[str, typer.Option(help="Why, in a sentence for the subscriber.")],
) -> None:
    """Reject a paper with a reason. Example: antin document reject 17 --reason "bản sao mờ"."""
    owner = intake.judge(place(context).office, number, Verdict.REJECTED, reason)
    console.print(f"The paper {number} of {owner} is rejected.")


@document.command()
def contest(
    context: typer.Context,
    number: Number,
    reason: Annotated[str, typer.Option(help="What is doubtful, in a sentence.")],
) -> None:
    """Doubt a paper's truth: the certificate is held at once while it is examined.

    Example: antin document contest 17 --reason "Con dấu không khớp."
    """
    _doubt(place(context), number, Verdict.CONTESTED, reason)


@document.command()
def forged(
    context: typer.Context,
    number: Number,
    reason: Annotated[str, typer.Option(help="What proves it, in a sentence.")],
) -> None:
    """Find a paper forged: the certificate is revoked, as bad since its issue.

    Example: antin document forged 17 --reason "Cơ quan đăng ký xác nhận không cấp."
    """
    _doubt(place(context), number, Verdict.FORGED, reason)


@dossier.command(name="related")
def show_related(
    context: typer.Context, subscriber: Subscriber, *, as_json: AsJson = False
) -> None:
    """List who shares phone, e-mail, representative or reseller, those who share most first.

    Example: antin dossier related KH00001
    """
    with place(context).works.db.read() as tx:
        found = subscribers.related(tx, subscriber)
    show([{"subscriber": name, "shares": links} for name, links in found.items()], as_json=as_json)


def _doubt(desk: Place, number: int, verdict: Verdict, reason: str) -> None:
    owner = intake.judge(desk.office, number, verdict, reason)
    with desk.works.db.read() as tx:
        count = len(subscribers.related(tx, owner))
    console.print(f"The paper {number} of {owner} is {verdict}; {count} subscribers are related:")
    console.print(f"antin dossier related {owner}", markup=False)


def _store(desk: Place) -> files.Store:
    return files.Store(folder=desk.home / FILES_FOLDER, vault=desk.works.vault)


def _known(word: str, words: Iterable[str], what: str) -> None:
    known = sorted(words)
    if word not in known:
        raise Invalid(f"The rulebook knows no {what} {word!r}; it knows {', '.join(known)}.")
