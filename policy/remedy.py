"""Remedy cases: the road back that the notice offers, step by step, each step one commit.

Opened by photos, verified by video call, paid, a new certificate on hold in a token that is sent
inactive; the clock starts when the customer has the token. The full dossier in time activates it;
otherwise the certificate is revoked and the token locked for ever: two audited acts, revoke first.

Whatever acts on a case and its certificate locks the certificate first.
"""

import json
from datetime import datetime

from cryptography import x509

from ca import csr
from ca import records as engine
from ca.model import Certificate, HoldSource
from core import audit
from core.database import Tx, chunked
from core.errors import Conflict, Refused
from policy import decisions, facts, representations, rules
from policy import tokens as token_states
from policy.cases import FINAL, CaseEvent, advance
from policy.enrol import Desk, enrol
from policy.model import Action, CaseState, Decision
from policy.office import Office
from policy.records import cases, outbox, subscribers
from policy.records.cases import Case
from policy.tokens import TokenEvent, TokenState

_BY_HAND = frozenset(
    {
        CaseEvent.SEVERAL_COMPANIES,
        CaseEvent.TAKEN_UP,
        CaseEvent.VIDEO_VERIFIED,
        CaseEvent.VIDEO_FAILED,
        CaseEvent.HANDED_TO_OFFICER,
        CaseEvent.PAYMENT_REQUESTED,
        CaseEvent.PAYMENT_RECEIVED,
        CaseEvent.COURIER_FAILED,
    }
)

_SETTLED = frozenset({Action.CLOSE_UNPAID, Action.ACTIVATE, Action.FORFEIT})

_WITHOUT_TOKEN = {"token": None, "certificate_id": None, "token_received_at": None, "due_at": None}


def open_case(office: Office, subscriber_id: str) -> Case:
    """Open a case for a subscriber who uploaded photos; raises Conflict when one is open.

    A representative of several companies leaves the self-service path: an officer takes it up.
    """
    now = office.clock.now()
    with office.db.begin() as tx:
        subscriber = subscribers.subscriber_of(tx, office.vault, subscriber_id)
        earlier = cases.cases_of(tx, [subscriber_id]).get(subscriber_id, [])
        if any(each.closed_at is None for each in earlier):
            raise Conflict(f"The case {earlier[-1].id!r} of {subscriber_id!r} is still open.")
        several = representations.several(office, tx, subscriber, office.day(now))
        state = advance(CaseState.OPENED, CaseEvent.PHOTOS_UPLOADED)
        new = Case(
            id=f"{subscriber_id}-{len(earlier) + 1}",
            subscriber_id=subscriber_id,
            state=advance(state, CaseEvent.SEVERAL_COMPANIES) if several else state,
            assisted=several,
            opened_at=now,
            payment_requested_at=None,
            paid_at=None,
            token=None,
            certificate_id=None,
            token_received_at=None,
            due_at=None,
            closed_at=None,
        )
        cases.add_case(tx, new)
        note(tx, office, now, new, CaseEvent.PHOTOS_UPLOADED)
        return new


def step(office: Office, case_id: str, event: CaseEvent) -> Case:
    """Take a case one step further; raises Refused when the event does not fit its state.

    For the steps that change nothing but the case: video call, payment, courier. An officer who
    verifies a person of several companies thereby takes the case up. A payment after its term is
    refused, whether the case was closed for it yet or not.
    """
    if event not in _BY_HAND:
        raise Refused(
            f"{event} is not said by hand: it follows from papers, clocks, tokens and issuance.",
            code="case_event",
        )
    with office.db.begin() as tx:
        case = cases.case_named(tx, case_id, lock=True)
        now = office.clock.now()
        state = case.state
        if event is CaseEvent.PAYMENT_RECEIVED:
            _refuse_late_payment(office, case, now)
        if state is CaseState.MULTI_COMPANY and event is CaseEvent.VIDEO_VERIFIED:
            state = advance(state, CaseEvent.TAKEN_UP)
        state = advance(state, event)
        changes: dict[str, object] = {"state": state}
        if event is CaseEvent.PAYMENT_REQUESTED:
            changes["payment_requested_at"] = now
            _ask_payment(tx, office, case, now)
        if event is CaseEvent.PAYMENT_RECEIVED:
            changes["paid_at"] = now
        if event is CaseEvent.HANDED_TO_OFFICER:
            changes["assisted"] = True
        cases.update_case(tx, case_id, **changes)
        note(tx, office, now, case, event)
        return cases.case_named(tx, case_id)


def _ask_payment(tx: Tx, office: Office, case: Case, now: datetime) -> None:
    rulebook = office.rulebook(now)
    values: dict[str, object] = {
        "case": case.id,
        "due": rulebook.payment_due(now).isoformat(),
        "dong": rulebook.remedy.price_dong,
    }
    outbox.add_notice(tx, case.subscriber_id, "request_payment", json.dumps(values), now)


def ship(desk: Desk, case_id: str, token: str, request: bytes) -> Certificate:
    """Issue the case's certificate on hold for the key in `token`, and send the token inactive.

    A crash in between is made good by calling it again with the same request.
    """
    office = desk.office
    with office.db.read() as tx:
        case = cases.case_named(tx, case_id)
        issued = _issued_before(tx, case, request)
        _token_after(tx, token, *_sent(case, token))  # refuses one in use before anything is issued
    advance(case.state, CaseEvent.TOKEN_SHIPPED)
    if issued is None:
        issued = enrol(desk, case.subscriber_id, request, years=1, case=case)
    now = office.clock.now()
    with office.db.begin() as tx:
        case = cases.case_named(tx, case_id, lock=True)
        state = advance(case.state, CaseEvent.TOKEN_SHIPPED)
        cases.update_case(tx, case_id, state=state, token=token, certificate_id=issued.id)
        _move_token(tx, token, case.subscriber_id, now, *_sent(case, token))
        note(tx, office, now, case, CaseEvent.TOKEN_SHIPPED)
    return issued


def deliver(office: Office, case_id: str) -> Case:
    """The customer has the token: the clock starts; papers that came before count at once."""
    with office.db.begin() as tx:
        case = lock(tx, case_id)
        now = office.clock.now()
        state = advance(case.state, CaseEvent.TOKEN_RECEIVED)
        due_at = office.rulebook(now).dossier_due(now)
        cases.update_case(tx, case_id, state=state, token_received_at=now, due_at=due_at)
        _move_token(tx, case.token or "", case.subscriber_id, now, TokenEvent.DELIVER)
        note(tx, office, now, case, CaseEvent.TOKEN_RECEIVED)
        settle(office, tx, cases.case_named(tx, case_id), now)
        return cases.case_named(tx, case_id)


def settle_due(office: Office) -> list[str]:
    """Do what the clocks demand of every open case; return the ids of the cases that changed.

    A snapshot tells which cases ask for it, and only those are locked and decided again.
    """
    with office.db.read() as tx:
        waiting = [
            each for some in chunked(cases.open_cases(tx)) for each in _due(office, tx, some)
        ]
    changed = []
    for case_id in waiting:
        with office.db.begin() as tx:
            case = lock(tx, case_id)
            if settle(office, tx, case, office.clock.now()):
                changed.append(case_id)
    return changed


def _due(office: Office, tx: Tx, some: list[Case]) -> list[str]:
    """Return those of these cases for which something is due."""
    now = office.clock.now()
    unpaid = [each for each in some if each.state is CaseState.PAYMENT_REQUESTED]
    wanted = facts.of_all_wanted(tx, [(each.subscriber_id, each) for each in unpaid])
    by_certificate = {each.certificate_id: each for each in some if each.certificate_id is not None}
    issued = engine.by_ids(tx, by_certificate)
    known = [
        *zip(unpaid, wanted, strict=True),
        *zip(
            (by_certificate[each.id] for each in issued),
            facts.of_certificates(tx, issued),
            strict=True,
        ),
    ]
    return [
        case.id
        for case, each in known
        if each is None or rules.decide(each, office.rulebook(now, each), now).action in _SETTLED
    ]


def next_due(office: Office, tx: Tx) -> list[datetime]:
    """Return the instants, sorted, at which a clock of an open case runs out."""
    found = []
    for case in cases.open_cases(tx):
        if case.state is CaseState.PAYMENT_REQUESTED and case.payment_requested_at is not None:
            rulebook = office.rulebook(case.payment_requested_at)
            found.append(rulebook.payment_due(case.payment_requested_at))
        elif case.state in (CaseState.TOKEN_RECEIVED, CaseState.DOSSIER_RECEIVED) and case.due_at:
            found.append(case.due_at)
            # A rulebook may let the irreversible step wait for the morning after.
            found.append(office.rulebook(case.due_at).forfeits_from(case.due_at))
    return sorted(set(found))


def confirm_lock(office: Office, token: str) -> None:
    """The token reported that it is locked: it stays so for ever, and its case is over."""
    now = office.clock.now()
    with office.db.begin() as tx:
        owner, case = cases.token_owner(tx, token), cases.case_of_token(tx, token)
        _move_token(tx, token, owner, now, TokenEvent.CONFIRM_LOCK, TokenEvent.LOCK_FOR_EVER)
        if case is not None and case.state is CaseState.DEADLINE_MISSED:
            state = advance(case.state, CaseEvent.FORFEITED)
            cases.update_case(tx, case.id, state=state, closed_at=now)
            note(tx, office, now, case, CaseEvent.FORFEITED)


def tokens_to_lock(tx: Tx) -> list[str]:
    """Return the serials of the tokens whose lock was ordered and not confirmed yet."""
    states = cases.token_states(tx)
    return sorted(each for each, state in states.items() if state is TokenState.LOCK_PENDING)


def follow(tx: Tx, decision: Decision) -> None:
    """Bring case and token to where a decision on the case's certificate leaves them.

    A case that was over before stays as it ended.
    """
    if decision.facts.case is None or decision.facts.case.state in FINAL:
        return
    case = cases.case_named(tx, decision.facts.case.id, lock=True)
    owner, token, now = case.subscriber_id, case.token or "", decision.at
    if decision.action is Action.ACTIVATE:
        state = case.state
        if state is CaseState.TOKEN_RECEIVED:
            state = advance(state, CaseEvent.DOSSIER_RECEIVED)
        state = advance(state, CaseEvent.ACTIVATED)
        cases.update_case(tx, case.id, state=state, closed_at=now)
        _move_token(tx, token, owner, now, TokenEvent.ACTIVATE)
    elif decision.action in (Action.FORFEIT, Action.REVOKE):
        missed = decision.action is Action.FORFEIT and decision.invalidity_date is None
        event = CaseEvent.DEADLINE_MISSED if missed else CaseEvent.CERTIFICATE_REVOKED
        state = advance(case.state, event)
        closed_at = now if state in FINAL else None
        cases.update_case(tx, case.id, state=state, closed_at=closed_at)
        if state is CaseState.PAID:  # a new token goes out; the clock starts when it is there
            cases.update_case(tx, case.id, **_WITHOUT_TOKEN)
        if case.state is CaseState.TOKEN_LOST:
            _move_token(tx, token, owner, now, TokenEvent.LOSE)
        _move_token(tx, token, owner, now, TokenEvent.ORDER_LOCK)


def lock(tx: Tx, case_id: str) -> Case:
    """Return a case, locked together with its certificate."""
    certificate_id = cases.case_named(tx, case_id).certificate_id
    if certificate_id is not None:
        engine.lock(tx, certificate_id)
    return cases.case_named(tx, case_id, lock=True)


def settle(office: Office, tx: Tx, case: Case, now: datetime) -> bool:
    """Decide one open case anew and do what is due; return whether anything was."""
    if case.closed_at is not None:
        return False
    if case.certificate_id is None:
        known = facts.of_wanted(tx, case.subscriber_id, case=case)
    else:
        ((_, known),) = facts.lock(tx, [case.certificate_id])
    decision = rules.decide(known, office.rulebook(now, known), now)
    if decision.action is Action.CLOSE_UNPAID:
        decisions.carry_out(tx, decision, office.actor)
        state = advance(case.state, CaseEvent.PAYMENT_MISSED)
        cases.update_case(tx, case.id, state=state, closed_at=now)
        note(tx, office, now, case, CaseEvent.PAYMENT_MISSED)
    elif decision.action in _SETTLED:
        decisions.carry_out(tx, decision, office.actor)
        follow(tx, decision)
    else:
        return False
    return True


def _issued_before(tx: Tx, case: Case, request: bytes) -> Certificate | None:
    """Return the case's certificate that was issued for this key before a crash, if any."""
    wanted = csr.spki_sha256(csr.load(request))
    for each in engine.of_subscriber(tx, case.subscriber_id):
        if each.der is None or HoldSource.NOT_ACTIVATED not in each.standing.sources:
            continue
        key = x509.load_der_x509_certificate(each.der).public_key()
        if isinstance(key, csr.PublicKey) and csr.spki_sha256(key) == wanted:
            return each
    return None


def _refuse_late_payment(office: Office, case: Case, now: datetime) -> None:
    if case.state is not CaseState.PAYMENT_REQUESTED or case.payment_requested_at is None:
        return
    due = office.rulebook(now).payment_due(case.payment_requested_at)
    if now > due:
        raise Refused(
            f"The payment for the case {case.id!r} was due by {due.isoformat()}; the case ends "
            "unpaid.",
            code="payment_late",
        )


def _sent(case: Case, token: str) -> tuple[TokenEvent, TokenEvent]:
    """Return what happens to a token that is sent; the case's own one came back from the way."""
    first = TokenEvent.RETURN if token == case.token else TokenEvent.PERSONALISE
    return first, TokenEvent.SHIP


def _token_after(tx: Tx, token: str, *events: TokenEvent) -> TokenState:
    state = cases.token_states(tx, [token]).get(token, TokenState.STOCK)
    for event in events:
        state = token_states.advance(state, event)
    return state


def _move_token(tx: Tx, token: str, owner: str, now: datetime, *events: TokenEvent) -> None:
    cases.put_token(tx, token, owner, _token_after(tx, token, *events), now)


def note(
    tx: Tx, office: Office, now: datetime, case: Case, event: CaseEvent, **more: object
) -> None:
    """Write what happened in a case into the audit trail."""
    audit.append(
        tx,
        at=now,
        actor=office.actor,
        act=f"case.{event}",
        subject=f"subscriber:{case.subscriber_id}",
        case=case.id,
        **more,
    )
