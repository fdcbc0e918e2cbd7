"""Which IDs serve, pure: the kind of an ID, the day the office had it, and a rulebook's words.

An ID is measured on the day on which the office received it, so that time alone takes no dossier
apart. An ID whose kind was not noted is left to the officer's verdict.
"""

from datetime import date

from policy.model import Document
from policy.rulebook import Rulebook


def refusal(document: Document, rulebook: Rulebook) -> str:
    """Return why the ID does not count under `rulebook`, a full sentence, or an empty text."""
    ids = rulebook.ids
    if document.kind not in ids.documents or not document.id_kind:
        return ""
    kind = ids.kinds.get(document.id_kind)
    name = rulebook.documents[document.kind].en
    if kind is None:
        takes = " or ".join(sorted(each.en for each in ids.kinds.values()))
        return f"The {name} is of the kind {document.id_kind}; it must be {takes}."
    day = rulebook.calendar.day(document.received_at)
    if kind.void_after is not None and day > kind.void_after:
        return f"The {name} is a {kind.en}, which is void since the end of {kind.void_after}."
    last = last_day(document, rulebook)
    if kind.must_be_valid and last is not None and last < day:
        return f"The {name} is a {kind.en} that had expired on {last} when it came."
    return ""


def last_day(document: Document, rulebook: Rulebook) -> date | None:
    """Return the last civil day on which a document is valid, extensions by law considered."""
    last = document.expires_on
    if last is None:
        return None
    for each in rulebook.ids.extensions:
        covered = each.expiring_from <= last <= each.expiring_until
        if covered and document.id_kind in each.ids:
            return each.valid_until
    return last
