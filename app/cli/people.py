"""antin dossier represent, represented, erase; antin contact: the people behind a subscriber."""

from typing import Annotated

import typer

from app.cli.desk import AsJson, console, day, place, show
from app.cli.dossiers import FILES_FOLDER
from core.errors import Invalid
from policy import contacts, erasure, files, representations
from policy.contacts import Contact

app = typer.Typer()
contact = typer.Typer(no_args_is_help=True, help="Proof that a contact is the subscriber's own.")

Subscriber = Annotated[str, typer.Argument(help="The subscriber's id in the register.")]
Way = Annotated[Contact, typer.Argument(help="Which contact.")]


@app.command()
def represent(
    context: typer.Context,
    subscriber: Subscriber,
    name: Annotated[str, typer.Option(help="The person's name.")],
    since: Annotated[str, typer.Option("--from", help="The first day.")],
    evidence: Annotated[int, typer.Option(help="The number of the document that says so.")],
    *,
    id_type: Annotated[str, typer.Option(help="The kind of the person's ID.")] = "",
    id_number: Annotated[str, typer.Option(help="The number of the person's ID.")] = "",
) -> None:
    """Record who represents a company, from when, by which document.

    Example: antin dossier represent KH00001 --name "Lê Ngọc Hân" --from 2024-04-01 --evidence 17
    """
    person = (name, id_type, id_number)
    number = representations.add(
        place(context).office, subscriber, person, from_on=day(since), evidence=evidence
    )
    console.print(f"The representation has the number {number}.")


@app.command()
def unrepresent(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The representation's number.")],
    until: Annotated[str, typer.Option(help="The last day.")],
) -> None:
    """Record a representation's last day.

    Example: antin dossier unrepresent 3 --until 2024-06-30
    """
    representations.end(place(context).office, number, day(until))
    console.print(f"The representation {number} ends on {until}.")


@app.command()
def represented(context: typer.Context, subscriber: Subscriber, *, as_json: AsJson = False) -> None:
    """List who represented a company, from when to when. Example: antin dossier represented KH1."""
    office = place(context).office
    with office.db.read() as tx:
        found = representations.of(office, tx, subscriber)
    rows = [
        {
            "number": each.number,
            "name": each.name,
            "id": f"{each.id_type} {each.id_number}".strip(),
            "from": each.from_on,
            "to": each.to_on,
            "evidence": each.evidence,
        }
        for each in found
    ]
    show(rows, as_json=as_json)


@app.command()
def erase(
    context: typer.Context,
    *,
    due: Annotated[bool, typer.Option("--due", help="List who is due; nothing is done.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="Put those who are due on a list.")] = False,
    approve: Annotated[int, typer.Option(help="Erase who stands on the list.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Erase the personal data of whom the retention no longer covers; two persons are needed.

    Example: antin dossier erase --due; antin dossier erase --ask; antin --as mai dossier erase
    --approve 1
    """
    desk = place(context)
    if due + ask + bool(approve) != 1:
        raise Invalid("Say one of --due, --ask or --approve NUMBER.")
    if approve:
        store = files.Store(folder=desk.home / FILES_FOLDER, vault=desk.works.vault)
        done = erasure.approve(desk.office, store, approve)
        console.print(f"The personal data of {len(done)} subscribers is erased.")
        return
    if ask:
        number, found = erasure.ask(desk.office)
    else:
        with desk.works.db.read() as tx:
            number, found = 0, erasure.due(desk.office, tx)
    rows = [{"subscriber": name, "ended": ended} for name, ended in found.items()]
    show(rows, as_json=as_json)
    if ask and not as_json:
        console.print(f"The list {number} waits for another operator's approval.")


@contact.command(name="ask")
def ask_contact(context: typer.Context, subscriber: Subscriber, way: Way) -> None:
    """Send a code to a contact. Example: antin contact ask KH00001 phone."""
    contacts.ask(place(context).office, subscriber, way)
    console.print(f"A code goes to the {way} of {subscriber}; it lasts half an hour.")


@contact.command()
def confirm(context: typer.Context, subscriber: Subscriber, way: Way, code: str) -> None:
    """Record the code that came back. Example: antin contact confirm KH00001 phone 123456."""
    contacts.confirm(place(context).office, subscriber, way, code)
    console.print(f"The {way} of {subscriber} is their own.")


@contact.command()
def call(
    context: typer.Context,
    subscriber: Subscriber,
    way: Way,
    reference: Annotated[str, typer.Option(help="The call.")],
) -> None:
    """Record that a call reached the subscriber there.

    Example: antin contact call KH00001 phone --reference "gọi 2024-04-10 09:12"
    """
    contacts.by_call(place(context).office, subscriber, way, reference)
    console.print(f"The {way} of {subscriber} is their own.")


@contact.command(name="show")
def show_contacts(
    context: typer.Context, subscriber: Subscriber, *, as_json: AsJson = False
) -> None:
    """Show which contacts are proved. Example: antin contact show KH00001."""
    with place(context).works.db.read() as tx:
        rows = [
            {"contact": way, "verified": contacts.verified_at(tx, subscriber, way)}
            for way in Contact
        ]
    show(rows, as_json=as_json)
