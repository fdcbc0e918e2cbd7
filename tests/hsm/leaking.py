"""Runs in a process of its own and fails in every way that a token lets it, as loudly as it can.

Everything that it writes is searched for the PIN by test_pin. Arguments: folder, URI of a key,
the wrong pin-source's URI, name of the way to fail.
"""

import faulthandler
import logging
import os
import sys
import traceback
from pathlib import Path

from rich.console import Console
from rich.traceback import Traceback

from core.errors import AntinError
from hsm.keyring import Keyring
from hsm.mechanisms import KeyKind


def _shout(error: BaseException, folder: Path) -> None:
    """Write an error down in every form, with the locals of every frame."""
    traceback.print_exc()
    for frame, _ in traceback.walk_tb(error.__traceback__):
        print({name: repr(value) for name, value in frame.f_locals.items()})  # noqa: T201
    with (folder / "traceback.txt").open("a") as stream:
        console = Console(file=stream, width=400)
        console.print(Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True,
            locals_max_length=1000, locals_max_string=1000,
        ))  # fmt: skip
    logging.getLogger("leaking").error("It failed.", exc_info=error)


def main(folder: Path, good: str, bad: str, way: str) -> None:
    """Fail in the way that is asked for."""
    logging.basicConfig(filename=folder / "log.txt", level=logging.DEBUG)
    faulthandler.enable()
    keyring = Keyring(
        {"good": [good], "bad": [bad], "none": [good.replace("object=k", "object=no")]}
    )
    if way == "abort":
        keyring.generate("good", KeyKind.P_256)
        faulthandler.dump_traceback()
        os.abort()
    for role in ("bad", "none", "bad", "good"):
        try:
            keyring.key(role)
        except AntinError as error:
            _shout(error, folder)
    if way == "bug":
        keyring.places("good")[0].pool.run(lambda _: 1 // 0, 1e12, lambda: "divide")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
