"""The channels of notices, made from the configuration."""

from collections.abc import Callable
from datetime import timedelta

from app import config
from app.instance import Instance
from core.errors import Invalid
from hsm import pin
from policy.channels.folder import Folder
from policy.channels.gateway import Gateway
from policy.channels.gateway import Provider as At
from policy.channels.letter import Letters
from policy.channels.letters import Away, Channel
from policy.channels.mail import Mail
from policy.channels.relay import Relay
from policy.deliver import Post
from policy.delivery import Terms
from policy.wording import Letterhead

OUTBOX_FOLDER = "outbox"


def post(instance: Instance) -> Post:
    """Return the channels that the configuration names; the outbox folder when it names none."""
    table = instance.config.notices
    site = table.site or f"http://{instance.config.listen.portal}"
    letterhead = Letterhead(authority=table.authority, site=site)
    return Post(
        channels=tuple(_channel(instance, name, letterhead) for name in table.order),
        letterhead=letterhead,
        terms=Terms(tries=table.tries, give_up=timedelta(hours=table.give_up_hours)),
    )


def _channel(instance: Instance, name: str, letterhead: Letterhead) -> Channel:
    table = instance.config.notices
    if name == "email" and table.email:
        return _mail(table.email)
    if name == "zalo" and table.zalo:
        return _gateway("zalo", table.zalo)
    if name == "sms" and table.sms:
        return _gateway("sms", table.sms)
    if name == "letter":
        font = instance.home / table.letter.font
        return Letters(instance.home / table.letter.folder, font, letterhead)
    return Folder(instance.home / OUTBOX_FOLDER)


def _mail(table: config.Email) -> Mail:
    return Mail(
        Relay(
            host=table.host,
            port=table.port,
            sender=table.sender,
            security=table.security,
            user=table.user,
            password=_reader(table.password, "password"),
            seconds=table.seconds,
        )
    )


def _gateway(name: str, table: config.Provider) -> Gateway:
    token = _reader(table.token, "token")
    return Gateway(name, At(url=table.url, token=token, seconds=table.seconds))


def _reader(source: str | None, what: str) -> Callable[[], str] | None:
    """Return what reads the secret at the moment of its use; one that is not there is told."""
    if source is None:
        return None

    def read() -> str:
        try:
            with pin.read(source, what) as found:
                return bytes(found.buffer).decode()
        except (Invalid, UnicodeDecodeError) as error:
            sentence = str(error) if isinstance(error, Invalid) else f"The {what} is not UTF-8."
            raise Away(sentence) from None

    return read
