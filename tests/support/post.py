"""A post whose channels a test holds: the outbox folder, and one that answers as it is told."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from policy.channels.folder import Folder
from policy.channels.letters import Channel, Message, Receipt, Recipient
from policy.deliver import Post
from policy.delivery import Terms
from policy.wording import Letterhead

LETTERHEAD = Letterhead(authority="LCS-CA", site="https://tracuu.example")


def post(*channels: Channel, terms: Terms = Terms()) -> Post:  # noqa: B008 - frozen
    """Return a post of these channels, in this order."""
    return Post(channels=channels, letterhead=LETTERHEAD, terms=terms)


def to_folder(folder: Path) -> Post:
    """Return the post of an embedded instance."""
    return post(Folder(folder))


class Scripted:
    """A channel that answers each message with the next of `answers`, the last one for ever."""

    def __init__(
        self,
        name: str,
        *answers: Exception | Receipt,
        reaches: Callable[[Recipient], bool] | None = None,
    ) -> None:
        """Answer by a receipt, or by raising what is given."""
        self._name = name
        self._answers: Sequence[Exception | Receipt] = answers or (Receipt(),)
        self._reaches = reaches
        self.got: list[Message] = []
        self.closed = 0

    @property
    def name(self) -> str:
        """The channel's name."""
        return self._name

    def reaches(self, to: Recipient) -> bool:
        """Whether the test says so; everyone if it does not say."""
        return self._reaches is None or self._reaches(to)

    def send(self, message: Message) -> Receipt:
        """Note the message and answer."""
        answer = self._answers[min(len(self.got), len(self._answers) - 1)]
        self.got.append(message)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Count."""
        self.closed += 1


def message(number: int, **changes: Any) -> Message:
    """Return a message to KH00001 in both languages."""
    made = Message(
        number=number,
        kind="hold",
        key=f"notice-{number}.20240320000000",
        to=Recipient(
            name="CÔNG TY TNHH SỐ 1 - Lê Ngọc Hân",
            email="hop-thu-1@rieng-tu.example",
            phone="0987700001",
            address="Số 5 phố Hàng Gai",
            province="Hà Nội",
        ),
        subject="Chứng thư số 5A bị tạm dừng / Certificate 5A is suspended",
        text="Kính gửi: CÔNG TY TNHH SỐ 1\n\nChứng thư số 5A bị tạm dừng.\n",
        short="Chứng thư số 5A bị tạm dừng.",
        languages=("vi", "en"),
        queued_at=datetime(2024, 3, 20, tzinfo=UTC),
        dated="20/03/2024",
    )
    return replace(made, **changes)
