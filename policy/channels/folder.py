"""The outbox folder: each notice a file that its owner alone can read; for an embedded instance."""

from datetime import timedelta
from pathlib import Path

from core import durable
from policy.channels.letters import Away, Message, Receipt, Recipient


class Folder:
    """Writes notices as text files; a file that is written again is the same file."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        """Write into `folder`, which is made when the first notice comes."""
        self._folder = folder

    def reaches(self, to: Recipient) -> bool:  # noqa: ARG002 - the interface's signature
        """Return True: whoever reads the folder knows what to do."""
        return True

    def send(self, message: Message) -> Receipt:
        """Write one file, durably; raises Away when the folder cannot be written."""
        name = f"{message.number:08}-{message.kind}.txt"
        text = f"To: {message.to.email}\nSubject: {message.subject}\n\n{message.text}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.write(self._folder / name, text.encode(), mode=0o600)
        except OSError as error:
            raise Away(
                f"The outbox folder {self._folder} cannot be written: {error.strerror}.",
                pause=timedelta(0),
            ) from None
        return Receipt(reference=name)

    def close(self) -> None:
        """Nothing is held open."""
