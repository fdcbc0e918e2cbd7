"""Lets `python -m app.cli` be `antin`."""

from app.cli.entry import main

main()
