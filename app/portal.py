"""The portal process: the public look-up pages over a read-only database, without any key."""

import os
from functools import partial
from pathlib import Path

from flask import Flask

from app import rulebooks
from app.instance import Instance
from web.portal import site


def application() -> Flask:
    """Return the portal of the instance named by ANTIN_HOME (what gunicorn loads)."""
    instance = Instance(Path(os.environ["ANTIN_HOME"]))
    known = rulebooks.load(instance.home)
    db = instance.database(read_only=True)
    in_force = partial(rulebooks.in_force, known)
    return site.build(db, instance.clock, in_force, zone=known[0].calendar.zone)
