"""The channels that a configuration names, made and used as the worker does."""

import smtplib
from pathlib import Path

import pytest

from app import config, mailing
from app.instance import Instance
from policy.channels.folder import Folder
from policy.channels.letters import Away
from policy.delivery import Terms
from tests.app.test_config import GOOD
from tests.support import mailroom
from tests.support.post import message

CHANNELS = """
[notices]
authority = "LCS-CA"
site = "https://tracuu.example"
order = ["letter", "sms", "zalo", "email"]
tries = 3
give_up_hours = 2
[notices.email]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "hoso@lcs.example"
user = "antin"
password = "file:{password}"
[notices.sms]
url = "http://127.0.0.1:9/"
token = "env:NO_SUCH_TOKEN"
[notices.zalo]
url = "https://127.0.0.1:9/"
"""


def _instance(home: Path, text: str = "") -> Instance:
    (home / config.FILE).write_text(GOOD + text)
    return Instance(home)


def test_without_a_table_the_folder(tmp_path: Path) -> None:
    """An embedded instance that says nothing of notices writes them into its outbox folder."""
    made = mailing.post(_instance(tmp_path))
    (channel,) = made.channels
    assert isinstance(channel, Folder)
    channel.send(message(3))
    assert [each.name for each in (tmp_path / "outbox").iterdir()] == ["00000003-hold.txt"]
    assert made.letterhead.site == "http://127.0.0.1:8081"
    assert made.terms == Terms()


def test_every_channel_in_its_order(tmp_path: Path) -> None:
    """All channels are made in their order, and the mail server gets the password of the file."""
    secret = tmp_path / "password"
    secret.write_text(f"{mailroom.PASSWORD}\n")
    secret.chmod(0o600)
    login = mailroom.with_login(auth_require_tls=False, auth_required=False)
    with mailroom.mailroom(**login) as room:
        made = mailing.post(_instance(tmp_path, CHANNELS.format(port=room.port, password=secret)))
        assert [each.name for each in made.channels] == ["letter", "sms", "zalo", "email"]
        letter, sms, _, mail = made.channels
        mail.send(message(1))
        mail.close()
        assert len(room.mails) == 1
    assert made.terms.tries == 3
    letter.send(message(1))
    assert len(list((tmp_path / "letters").iterdir())) == 1
    with pytest.raises(Away, match="NO_SUCH_TOKEN that holds the token is not set"):
        sms.send(message(1))


def test_password_that_others_may_read(tmp_path: Path) -> None:
    """A password file that is open to others is not used, and the sentence says what to do."""
    secret = tmp_path / "password"
    secret.write_text("geheim")
    secret.chmod(0o644)
    with mailroom.mailroom() as room:
        made = mailing.post(_instance(tmp_path, CHANNELS.format(port=room.port, password=secret)))
        with pytest.raises(Away, match=r"The password file .* has mode 0644") as caught:
            made.channels[-1].send(message(1))
        made.channels[-1].close()
    assert "geheim" not in str(caught.value)
    assert not isinstance(caught.value, smtplib.SMTPException)
