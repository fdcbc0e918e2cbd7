"""The channels of notices, made from the configuration."""

from app.instance import Instance
from policy.channels.folder import Folder
from policy.deliver import Post
from policy.wording import Letterhead

OUTBOX_FOLDER = "outbox"


def post(instance: Instance) -> Post:
    """Return the channels that the configuration names; the outbox folder when it names none."""
    return Post(
        channels=(Folder(instance.home / OUTBOX_FOLDER),),
        letterhead=Letterhead(authority="Antin", site=f"http://{instance.config.listen.portal}"),
    )
