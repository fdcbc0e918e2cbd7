"""The entry point: the tree of commands, the common options, and errors as plain sentences."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from app.cli import (
    audit,
    bulk,
    campaigns,
    ceremony,
    certificates,
    crl,
    dossiers,
    hsm,
    issuers,
    keys,
    lifecycle,
    notices,
    parties,
    people,
    plans,
    policies,
    registers,
    remedies,
    roads,
    running,
    sheets,
    springs,
    statuses,
    steering,
    successions,
    takeover,
)
from app.cli.desk import Place, user
from core.errors import AntinError, Invalid

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Antin: a certificate authority that knows its dossiers.",
)
for commands in (
    running.app,
    lifecycle.app,
    certificates.app,
    bulk.app,
    successions.app,
    statuses.app,
    takeover.app,
    springs.app,
):
    app.registered_commands.extend(commands.registered_commands)
app.add_typer(running.serve, name="serve")
app.add_typer(crl.app, name="crl")
app.add_typer(audit.app, name="audit")
app.add_typer(ceremony.app, name="ceremony")
app.add_typer(hsm.app, name="hsm")
app.add_typer(sheets.app, name="sheet")
app.add_typer(issuers.issuer, name="issuer")
app.add_typer(keys.key, name="key")
app.add_typer(notices.notice, name="notice")
app.add_typer(plans.plan, name="plan")
dossiers.dossier.registered_commands.extend(registers.app.registered_commands)
dossiers.dossier.registered_commands.extend(people.app.registered_commands)
app.add_typer(people.contact, name="contact")
app.add_typer(dossiers.dossier, name="dossier")
app.add_typer(dossiers.document, name="document")
app.add_typer(remedies.case, name="case")
app.add_typer(remedies.token, name="token")
app.add_typer(roads.feed, name="feed")
app.add_typer(roads.loss, name="loss")
roads.reseller.registered_commands.extend(parties.app.registered_commands)
app.add_typer(parties.contract, name="contract")
app.add_typer(roads.reseller, name="reseller")
campaigns.campaign.registered_commands.extend(steering.app.registered_commands)
app.add_typer(campaigns.campaign, name="campaign")
app.add_typer(policies.rules, name="rules")


@app.callback()
def common(
    context: typer.Context,
    home: Annotated[Path, typer.Option(envvar="ANTIN_HOME", help="The instance's folder.")] = Path(
        "var"
    ),
    operator: Annotated[
        str, typer.Option("--as", envvar="ANTIN_OPERATOR", help="Who acts, for the audit trail.")
    ] = "",
) -> None:
    """Set what all commands share."""
    context.obj = Place(home=home, operator=operator or user())


def main() -> None:
    """Run one command; what goes wrong becomes one sentence, exit code 1 or (wrong input) 2."""
    try:
        app(prog_name="antin")
    except AntinError as error:
        _say(str(error))
        sys.exit(2 if isinstance(error, Invalid) else 1)
    except DBAPIError as error:
        _say(f"The database did not do it: {' '.join(str(error.orig).split())}.")
        sys.exit(1)
    except UnicodeDecodeError as error:
        _say(f"What was read is not UTF-8 text: {error.reason} at octet {error.start}.")
        sys.exit(2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _say(f"The system refuses: {error.strerror or error}{where}.")
        sys.exit(1)


def _say(sentence: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(sentence, markup=False)
