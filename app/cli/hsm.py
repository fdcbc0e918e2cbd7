"""antin hsm: the keys and tokens of this instance, looked at, measured, backed up."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.backups import Copier
from app.cli.desk import AsJson, console, place, show
from core.errors import Invalid
from hsm import check as checks
from hsm import inventory, speed
from hsm.keyring import Keyring

app = typer.Typer(help="The keys and tokens of this instance.", no_args_is_help=True)

Uri = Annotated[str, typer.Option(help="A PKCS#11 URI (RFC 7512) that names the key.")]
Under = Annotated[str, typer.Option(help="The URI of the AES wrapping key, on the same token.")]
Present = Annotated[
    list[str] | None, typer.Option(help="Who is present, and as what; again for each of them.")
]


@app.command("list")
def list_(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the keys on the tokens that the configuration names.

    Example: antin hsm list
    """
    lines = inventory.keys(_keyring(context))
    show([asdict(line) for line in lines], as_json=as_json, title="Keys")


@app.command()
def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Look at every key of the configuration: there, sound, alike on all its tokens, and signing.

    Exit code 1 when something is wrong. Example: antin hsm check
    """
    reports = checks.check(_keyring(context))
    show([asdict(report) for report in reports], as_json=as_json, title="Keys and their tokens")
    if any(report.problems for report in reports):
        raise typer.Exit(1)


@app.command()
def bench(
    context: typer.Context,
    role: Annotated[list[str] | None, typer.Argument(help="The roles; all by default.")] = None,
    *,
    threads: Annotated[list[int], typer.Option(min=1, help="Again for several.")] = [1, 4],  # noqa: B006 - Typer copies it
    processes: Annotated[int, typer.Option(min=1, help="How many at once.")] = 2,
    seconds: Annotated[float, typer.Option(min=0.1, help="For each figure.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Measure how many signatures per second each key makes, by threads and by processes.

    It signs made-up messages with the real keys. Example: antin hsm bench issuing --seconds 1
    """
    keyring = _keyring(context)
    rows: list[dict[str, Any]] = []
    for one in role or _signing_roles(keyring):
        make = _maker(keyring, one)
        # Processes first: they are forked while this one has no session open.
        shared = speed.by_processes(make, processes=processes, seconds=seconds)
        rates = {
            f"{count} threads": round(speed.by_threads(make, threads=count, seconds=seconds))
            for count in threads
        }
        keyring.close()
        rows.append({"role": one, **rates, f"{processes} processes": round(shared)})
    show(rows, as_json=as_json, title="Signatures per second")


@app.command("share-wrapping-key")
def share_wrapping_key(
    context: typer.Context,
    source: Annotated[str, typer.Option("--from", help="The URI of the key to make.")],
    target: Annotated[str, typer.Option("--to", help="The URI of its copy on another token.")],
    present: Present = None,
) -> None:
    """Make an AES-256 wrapping key and bring it to a second token, under that one's RSA key.

    Example: antin hsm share-wrapping-key --from 'pkcs11:token=a;object=wrap?..' --to '..'
    """
    written = _copier(context, present).share_wrapping_key(source, target)
    console.print("Both tokens hold the wrapping key, and it cannot leave them.")
    console.print(f"The transcript is in {written}.")


@app.command()
def backup(
    context: typer.Context,
    key: Uri,
    under: Under,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.")],
    present: Present = None,
) -> None:
    """Write a private or AES key to a file, wrapped on its token; it must be made wrappable.

    Example: antin hsm backup --key 'pkcs11:..' --under 'pkcs11:..' --out issuing.backup
    """
    written = _copier(context, present).back_up(key, under, out)
    console.print(f"The key was backed up. The transcript is in {written}.")


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The backup.")],
    key: Uri,
    under: Under,
    present: Present = None,
) -> None:
    """Put a backed up key onto a token and let it prove itself; overwrites nothing.

    Its URI then needs x-imported=true.
    Example: antin hsm restore issuing.backup --key .. --under ..
    """
    written = _copier(context, present).restore(file, key, under)
    console.print(f"The key was restored and proven. The transcript is in {written}.")


@app.command("move-vault")
def move_vault(
    context: typer.Context,
    target: Annotated[str, typer.Option("--to", help="The URI of the AES key; made if missing.")],
    *,
    wrappable: Annotated[
        bool, typer.Option("--wrappable", help="Make one that can be backed up.")
    ] = False,
    present: Present = None,
) -> None:
    """Wrap the vault's data key under another AES key, on the same token or on another one.

    Processes that run go on; name the new key in antin.toml before one begins.
    Example: antin hsm move-vault --to 'pkcs11:..;object=vault-2?..&x-imported=true' --wrappable
    """
    written = _copier(context, present).move_vault(target, wrappable=wrappable)
    console.print(
        "The vault is under the new key: name it as vault under [keys] in antin.toml now."
    )
    console.print(f"The transcript is in {written}.")


def _copier(context: typer.Context, present: list[str] | None) -> Copier:
    here = place(context)
    return Copier(works=here.works, operator=here.operator, present=tuple(present or ()))


def _keyring(context: typer.Context) -> Keyring:
    return place(context).instance.keyring


def _signing_roles(keyring: Keyring) -> list[str]:
    return [
        report.role
        for report in checks.check(keyring)
        if report.order == 1 and report.kind != "AES" and not report.problems
    ]


def _maker(keyring: Keyring, role: str) -> Callable[[], speed.Act]:
    if role not in keyring.roles:
        raise Invalid(f"There is no role {role!r}; the roles are {', '.join(keyring.roles)}.")
    keyring.close()
    return lambda: speed.signing(keyring.key(role))
