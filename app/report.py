"""What a replay came to: the report for machines (JSON) and the counts for people."""

from collections import Counter
from datetime import datetime
from typing import Any

from app.recording import LOCAL
from app.replay import CAMPAIGN, Outcome
from ca import records as engine
from ca.model import Act, Certificate, HoldSource, StatusEvent
from core.database import Tx
from policy import rules
from policy.model import CaseState
from policy.records import campaigns, cases, documents
from policy.records.cases import Case
from policy.tokens import TokenState

_REMEDY = {
    CaseState.ACTIVATED: "activated",
    CaseState.FORFEITED: "forfeited",
    CaseState.DEADLINE_MISSED: "forfeited",
    CaseState.UNPAID: "unpaid",
}


def build(outcome: Outcome) -> dict[str, Any]:
    """Return the report: `until`, `customers` by id, `counts`."""
    with outcome.works.db.read() as tx:
        names = [each.subscriber.id for each in outcome.recorded.enrolments]
        certificates = engine.of_subscribers(tx, names)
        papers = documents.documents_of(tx, names)
        opened = cases.cases_of(tx, names)
        tokens = cases.token_states(tx)
        customers = {}
        rulebook = outcome.works.office("replay:report").rulebook(outcome.dates.until)
        for each in outcome.recorded.enrolments:
            name = each.subscriber.id
            own = certificates[name]
            case = opened.get(name, [None])[-1]
            judgement = rules.judge(
                each.subscriber.kind,
                papers.get((name, None), ()),
                rulebook,
            )
            customers[name] = {
                "certificate": _certificate(_original(own, opened.get(name, [])), outcome),
                "dossier": "complete" if judgement.complete else "incomplete",
                "remedy": _remedy(case, own, tokens, outcome),
            }
        counts = _counts(tx, customers, outcome)
    return {"until": _iso(outcome.dates.until), "customers": customers, "counts": counts}


def _original(own: list[Certificate], opened: list[Case]) -> Certificate | None:
    of_cases = {case.certificate_id for case in opened}
    return next((each for each in own if each.id not in of_cases), None)


def _certificate(certificate: Certificate | None, outcome: Outcome) -> dict[str, Any] | None:
    if certificate is None:
        return None
    standing = certificate.standing
    expired = certificate.expired(outcome.dates.until) and not certificate.revoked
    return {
        "status": "expired" if expired else standing.status.value,
        "reason": None if expired or standing.reason is None else standing.reason.value,
        "since": _iso(standing.since),
        "holds": sorted(source.value for source in standing.sources),
    }


def _remedy(
    case: Case | None,
    own: list[Certificate],
    tokens: dict[str, TokenState],
    outcome: Outcome,
) -> dict[str, Any] | None:
    if case is None:
        return None
    issued = next((each for each in own if each.id == case.certificate_id), None)
    token = tokens.get(case.token or "")
    return {
        "state": _REMEDY.get(case.state, "open"),
        "certificate": _certificate(issued, outcome),
        "token": None if token is None else token.value,
    }


def _counts(tx: Tx, customers: dict[str, Any], outcome: Outcome) -> dict[str, int]:
    events = engine.all_events(tx)
    status = Counter(
        each["certificate"]["status"] for each in customers.values() if each["certificate"]
    )
    remedy = Counter(each["remedy"]["state"] for each in customers.values() if each["remedy"])
    told = sum(1 for each in campaigns.members(tx, CAMPAIGN) if each.warned_at is not None)
    return {
        "customers": len(customers),
        "issued": sum(1 for each in events if each.act is Act.ISSUE and each.source is None)
        - _own_certificates(tx),
        "in_campaign": told,
        "held_for_dossier": _held(events, HoldSource.DOSSIER),
        "held_by_authority": _held(events, HoldSource.AUTHORITY),
        "restored": sum(
            1 for each in events if each.act is Act.RESTORE and each.source is HoldSource.DOSSIER
        ),
        **{f"status_{name}": status[name] for name in ("good", "hold", "revoked", "expired")},
        "remedies_opened": sum(remedy.values()),
        **{
            f"remedies_{name}": remedy[name]
            for name in ("activated", "forfeited", "unpaid", "open")
        },
        "events_refused": len(outcome.refused),
    }


def _held(events: list[StatusEvent], source: HoldSource) -> int:
    return sum(1 for each in events if each.act is Act.SUSPEND and each.source is source)


def _own_certificates(tx: Tx) -> int:
    return len(engine.of_profiles(tx, ("issuing_ca", "ocsp_responder", "statement_signer")))


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(LOCAL).isoformat()
