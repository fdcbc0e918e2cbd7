"""antin init, up, serve, worker: make an instance and run its processes."""

import signal
import threading
from typing import Annotated

import typer

from app import check as checks
from app import create, schema, worker
from app import serve as processes
from app.cli.desk import AsJson, console, place, show
from app.instance import Instance

app = typer.Typer()
serve = typer.Typer(no_args_is_help=True, help="Run one server process.")


@app.command()
def init(
    context: typer.Context,
    organisation: Annotated[
        str, typer.Option(help="The CA's name in its certificates.")
    ] = "Antin Demo",
    url: Annotated[
        str, typer.Option(help="The responder's base address, written into certificates.")
    ] = "http://127.0.0.1:8080",
    database: Annotated[
        str, typer.Option(help="sqlite:///FILE or postgresql+psycopg://...")
    ] = "sqlite:///antin.db",
    *,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only token and configuration, for a ceremony.")
    ] = False,
) -> None:
    """Make an instance: SoftHSM token, root, issuing CA, OCSP responder, database, configuration.

    Example: antin --home /srv/antin init --organisation "ACME CA" --url http://pki.acme.vn
    """
    plan = create.Plan(organisation=organisation, responder_url=url, database_url=database)
    make = create.prepare if prepare else create.create
    make(place(context).home, plan, say=console.print)
    console.print(f"The instance is in {place(context).home}.")


@app.command()
def migrate(context: typer.Context) -> None:
    """Bring the database to this version's schema; stop the processes first.

    Example: antin migrate
    """
    schema.upgrade(Instance(place(context).home).database())
    console.print("The database's schema is this version's.")


@app.command()
def up(context: typer.Context) -> None:
    """Run responder, portal and worker on localhost until stopped.

    Example: antin up
    """
    instance = Instance(place(context).home)

    def say() -> None:
        listen = instance.config.listen
        console.print(
            f"The processes listen: responder http://{listen.responder}, "
            f"portal http://{listen.portal}."
        )

    raise typer.Exit(processes.together(instance.home, ready=say))


@app.command(name="worker")
def work(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="Do one round and stop.")] = False,
) -> None:
    """Do what is due: reconcile, clocks of cases, notices, responder certificate, CRLs.

    Example: antin worker --once
    """
    works = place(context).works
    if once:
        failures = worker.once(works)
        for sentence in failures:
            console.print(sentence, markup=False)
        raise typer.Exit(1 if failures else 0)
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda _signal, _frame: stop.set())
    worker.run(works, stop)


@app.command()
def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Look the instance over: CRLs, responder certificate, lost issuances, decisions, audit trail.

    Example: antin check --json
    """
    found = [
        {"check": name, "finding": sentence}
        for name, sentence in checks.findings(place(context).works)
    ]
    if found or as_json:
        show(found, as_json=as_json)
    else:
        console.print(f"All is well: {', '.join(checks.names())}.")
    raise typer.Exit(1 if found else 0)


@serve.command()
def responder(
    context: typer.Context,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes.")] = 1,
) -> None:
    """Serve OCSP, CRLs and issuer certificates. Example: antin serve responder --workers 2."""
    processes.responder(Instance(place(context).home), workers=workers)


@serve.command()
def portal(context: typer.Context) -> None:
    """Serve the public look-up pages. Example: antin serve portal."""
    processes.portal(Instance(place(context).home))
