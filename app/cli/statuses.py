"""antin status: how a certificate stood at an instant, also as a signed statement."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app import statements
from app.cli.desk import AsJson, console, instant, place, show
from ca import history
from ca import records as engine
from ca.history import Answer, PastHold
from ca.model import StatusEvent
from core import durable, serials
from core.errors import Invalid

app = typer.Typer()


@app.command()
def status(
    context: typer.Context,
    serial: Annotated[str, typer.Argument(help="The certificate's serial in hex.")],
    at: Annotated[str, typer.Option(help="The instant asked about, with its zone.")] = "",
    *,
    issuer: Annotated[str, typer.Option(help="Whose, when several have the serial.")] = "",
    signed: Annotated[
        bool, typer.Option("--signed", help="A signed statement (JWS) instead of a table.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where to write the statement.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how a certificate stands, or stood at an instant, with the act that made it so.

    Example: antin status 4F0A12C3 --at 2024-04-25T09:30:00+07:00 --signed --out statement.jws
    """
    works = place(context).works
    number = serials.parse(serial)
    moment = instant(at) if at else works.clock.now()
    if signed:
        actor = f"operator:{place(context).operator}"
        token = statements.sign(works, number, moment, actor=actor, issuer=issuer)
        _hand_over(token, out)
        return
    if out is not None:
        raise Invalid("--out is for a statement; add --signed.")
    with works.db.read() as tx:
        answer = history.status_at(tx, number, moment, issuer=issuer)
        events = engine.events(tx, answer.certificate.id)
    row, holds = _row(answer, history.beginning(events, moment)), history.holds(events)
    if as_json:
        steps = [_step(each) for each in events]
        show([{**row, "holds": [_hold(each) for each in holds], "history": steps}], as_json=True)
        return
    show([{"of": name, "": value} for name, value in row.items()], as_json=False)
    if holds:
        show([_hold(each) for each in holds], as_json=False, title="Holds, also lifted ones")


def _hand_over(token: str, out: Path | None) -> None:
    if out is None:
        console.print(token, markup=False, highlight=False, soft_wrap=True)
    else:
        durable.write(out, token.encode())
        console.print(f"The statement is in {out}.")


def _row(answer: Answer, made_so: StatusEvent | None) -> dict[str, Any]:
    return {
        "serial": serials.to_hex(answer.certificate.serial),
        "at": answer.at,
        "status": answer.validity,
        "since": history.since(answer, made_so),
        "act": made_so.act if made_so else None,
        "reason": made_so.reason if made_so else None,
        "clause": made_so.clause if made_so else None,
        "decision": made_so.decision if made_so else None,
        "because": made_so.because if made_so else None,
    }


def _step(event: StatusEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "act": event.act,
        "status": event.status,
        "reason": event.reason,
        "clause": event.clause,
        "decision": event.decision,
    }


def _hold(hold: PastHold) -> dict[str, Any]:
    return {
        "source": hold.source,
        "clause": hold.clause,
        "placed_at": hold.placed_at,
        "ends_at": hold.ends_at,
        "lifted_at": hold.lifted_at,
        "decision": hold.decision,
        "lifted_by": hold.lifted_by,
    }
