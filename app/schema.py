"""The whole schema: gathers every package's tables and brings a database to the newest migration."""

from pathlib import Path

import crl.tables
import policy.tables  # noqa: F401 - registers its tables
from alembic import command
from alembic.config import Config
import ca.tables
from core import audit
from core.database import Database, metadata

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def config(db: Database | None = None) -> Config:
    """Return Alembic's configuration, bound to `db` when given."""
    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS))
    settings.attributes["database"] = db
    settings.attributes["metadata"] = metadata
    return settings


def upgrade(db: Database) -> None:
    """Bring the schema of `db` to the newest migration; does nothing when it is there."""
    command.upgrade(config(db), "head")


def check(db: Database) -> None:
    """Raise alembic.util.CommandError when the tables in the code differ from the migrations."""
    command.check(config(db))
