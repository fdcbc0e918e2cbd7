"""The whole schema: every package's tables, and the way to the newest migration."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import ca.tables as _ca
import core.audit as _audit
import crl.tables as _crl
import ocsp.tables as _ocsp
import policy.tables as _policy
from core.database import Database, metadata
from core.errors import Refused

TABLES = (_audit, _ca, _crl, _ocsp, _policy)
"""The modules whose import registers every table in `metadata`."""

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


def require_newest(db: Database) -> None:
    """Raise Refused when the schema of `db` is not that of this version of the product."""
    newest = ScriptDirectory.from_config(config()).get_current_head()
    with db.read() as tx:
        found = MigrationContext.configure(tx).get_current_revision()
    if found != newest:
        raise Refused(
            f"The database's schema is {found or 'empty'}, but this version needs {newest}; "
            "stop the processes and run `antin migrate`.",
            code="schema",
        )
