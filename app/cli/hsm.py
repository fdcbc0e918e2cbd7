"""antin hsm: the keys and tokens of this instance, looked at, measured, backed up."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.desk import AsJson, Place, console, place, show
from core import durable, jws
from core.errors import Conflict, Invalid, NotFound
from hsm import backup as backups
from hsm import check as checks
from hsm import inventory, speed, wrapping
from hsm.keyring import Keyring
from hsm.keys import EcKey

app = typer.Typer(help="The keys and tokens of this instance.", no_args_is_help=True)

TRANSCRIPT_TYP = "antin-key-backup+jws"
_KEY, _WRAPPING = "key", "wrapping key"

Uri = Annotated[str, typer.Option(help="A PKCS#11 URI (RFC 7512) that names the key.")]
Under = Annotated[str, typer.Option(help="The URI of the AES wrapping key, on the same token.")]


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
) -> None:
    """Make an AES-256 wrapping key and bring it to a second token, under that one's RSA key.

    Example: antin hsm share-wrapping-key --from 'pkcs11:token=a;object=wrap?..' --to '..'
    """
    keyring = place(context).instance.keyring_of({"from": [source], "to": [target]})
    wrapping.share_wrapping_key(keyring, "from", "to")
    console.print("Both tokens hold the wrapping key, and it cannot leave them.")


@app.command()
def backup(
    context: typer.Context,
    key: Uri,
    under: Under,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.")],
) -> None:
    """Write a key to a file, wrapped on its token; only a key that was made wrappable can be.

    Example: antin hsm backup --key 'pkcs11:..' --under 'pkcs11:..' --out issuing.backup
    """
    if out.exists():
        raise Conflict(f"There is a file {out} already; a backup overwrites nothing.")
    keyring = _pair(context, key, under)
    made = backups.export(keyring, _KEY, _WRAPPING)
    content = made.to_json().encode()
    durable.write(out, content, mode=0o600)
    facts = {"key": made.name, "sha256": hashlib.sha256(content).hexdigest()}
    _write_down(context, out, {"what": "A key was backed up.", "by": key, "under": under, **facts})


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The backup.")],
    key: Uri,
    under: Under,
) -> None:
    """Put a backed up key onto a token and prove it by a signature; overwrites nothing.

    Its URI then needs x-imported=true.
    Example: antin hsm restore issuing.backup --key .. --under ..
    """
    content = file.read_bytes()
    keyring = _pair(context, key, under)
    made = backups.from_json(content.decode())
    backups.restore(keyring, _KEY, _WRAPPING, made)
    facts = {"key": made.name, "sha256": hashlib.sha256(content).hexdigest()}
    told = {"what": "A key was restored and proven.", "to": key, "under": under, **facts}
    _write_down(context, file.with_suffix(".restored"), told)


def _write_down(context: typer.Context, beside: Path, facts: dict[str, str]) -> None:
    """Write the transcript beside a file: text for people, and a JWS by the audit key if there."""
    here = place(context)
    now = here.works.clock.now().isoformat()
    facts = {**facts, "at": now, "operator": here.operator}
    text = "".join(f"{name}: {value}\n" for name, value in facts.items())
    durable.write(beside.with_name(f"{beside.name}.txt"), text.encode())
    signed = ""
    audit = _audit_key(here)
    if audit is not None:
        path = beside.with_name(f"{beside.name}.jws")
        durable.write(path, jws.sign(audit, facts, typ=TRANSCRIPT_TYP).encode())
        signed = f", signed in {path}"
    console.print(f"{facts['what']} The transcript is in {beside.name}.txt{signed}.")


def _audit_key(here: Place) -> EcKey | None:
    try:
        key = here.instance.keyring.key("audit")
    except NotFound:
        return None
    return key if isinstance(key, EcKey) else None


def _keyring(context: typer.Context) -> Keyring:
    return place(context).instance.keyring


def _pair(context: typer.Context, key: str, under: str) -> Keyring:
    return place(context).instance.keyring_of({_KEY: [key], _WRAPPING: [under]})


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
