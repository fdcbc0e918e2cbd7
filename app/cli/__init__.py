"""The command line: `antin`. Exit codes: 0 done, 1 refused or found wrong, 2 wrong usage."""

from app.cli.entry import main

__all__ = ["main"]
