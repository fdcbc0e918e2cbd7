"""The product's commands, run one after another in one process of its own.

Most of a short command's time goes into starting Python, so tests that give many commands give them
to a process that stays. Each line of its input is a request and each line of its output an answer,
both in JSON. The commands go through the product's own `main`, with its exit codes and sentences.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app import create
from app.cli import main
from app.wiring import Works
from hsm.mechanisms import KeyKind
from policy import enrol, intake
from policy.model import Document, SubscriberKind, Verdict
from policy.register import Subscriber
from tests.support.dossiers import PAPERS, TEXT
from tests.support.office import number_of, person

OPEN_ENDED = "\n".join(each for each in TEXT.splitlines() if not each.startswith("effective_until"))
"""The shipped rules of 2024 without their last day, so that they are in force on any day."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output, read as JSON."""
        return json.loads(self.out)


class Terminal:
    """A process that runs commands on an instance of its own, with P-256 keys in SoftHSM."""

    def __init__(self, home: Path, *, make: bool = True) -> None:
        """Start the process and make the instance in `home`, unless that is left to a command."""
        self.home = home
        self.said = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.terminal", str(home)],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "ANTIN_OPERATOR": "lan"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if make:
            self._ask({"create": True})

    def run(self, *words: object) -> Said:
        """Run `antin --home HOME WORDS`."""
        return self.bare("--home", self.home, *words)

    def bare(self, *words: object) -> Said:
        """Run `antin WORDS`."""
        said = Said(**self._ask({"run": [str(each) for each in words]}))
        self.said += said.out + said.err
        assert "Traceback" not in said.err, said.err
        return said

    def enter(self, name: str, kind: SubscriberKind = SubscriberKind.ORGANISATION) -> str:
        """Enter the subscriber `name` (KH and five digits) in the register; return the name."""
        self._ask({"enter": name, "kind": kind})
        return name

    def bring(self, name: str, *kinds: str) -> None:
        """Bring accepted papers of these kinds for `name`, or all that are needed."""
        self._ask({"bring": name, "kinds": kinds})

    def close(self) -> None:
        """End the process."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()  # with a time limit it would sleep, which a shifted clock forbids
        if self._process.stdout:
            self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def serve(home: Path) -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing that is printed by mistake looks like an answer
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_answer(home, request)), file=answers, flush=True)


def _answer(home: Path, request: dict[str, Any]) -> dict[str, Any]:
    if "run" in request:
        return _run(request["run"])
    if "create" in request:
        rules = {"lcs-2024.toml": OPEN_ENDED}
        kinds = {"root_kind": KeyKind.P_256, "issuing_kind": KeyKind.P_256}
        create.create(home, create.Plan(rulebooks=rules, **kinds))  # type: ignore[arg-type] # mixed
    elif "enter" in request:
        _enter(Works(home), request["enter"], SubscriberKind(request["kind"]))
    else:
        _bring(Works(home), request["bring"], request["kinds"])
    return {}


def _run(words: list[str]) -> dict[str, Any]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    sys.argv = ["antin", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 - what Python itself would print
            traceback.print_exc()
            code = 1
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def _enter(works: Works, name: str, kind: SubscriberKind) -> None:
    number = number_of(name)
    new = Subscriber(
        id=name,
        kind=kind,
        tax_code=f"99{number:08}",
        organisation=f"CÔNG TY TNHH SỐ {number}",
        short_name="",
        province="Hà Nội",
        reseller="",
        personal=person(name),
        registered_at=datetime.now(UTC),
    )
    enrol.enter(works.office("operator:lan"), new)


def _bring(works: Works, name: str, kinds: list[str]) -> None:
    papers = [
        Document(
            kind=each,
            form="paper_original" if each in {"registration_form", "contract"} else "stamped_copy",
            verdict=Verdict.ACCEPTED,
            received_at=datetime.now(UTC),
        )
        for each in kinds or PAPERS[SubscriberKind.ORGANISATION]
    ]
    intake.receive(works.office("operator:lan"), name, papers)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
