"""The portal's pages: look up by tax code, subscriber or serial; status now, or at an instant."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from core import serials
from core.clock import Clock
from core.database import Database
from core.errors import AntinError, Invalid, NotFound
from policy import lookup
from policy.lookup import Standing
from policy.rulebook import Rulebook
from policy.truth import Truth
from web.portal import words

_MOST_QUERY = 64
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


def build(
    db: Database, clock: Clock, rulebook: Callable[[datetime], Rulebook], *, zone: ZoneInfo
) -> Flask:
    """Return the portal over a read-only database, with local times of `zone`.

    `rulebook` gives the one in force at an instant; while there is none (NotFound) the portal
    still answers for certificates.
    """
    site = Flask("web.portal", static_folder="static", template_folder="templates")
    site.config.update(MAX_CONTENT_LENGTH=16 * 1024)
    pages = _Pages(db, clock, rulebook, zone)
    site.add_url_rule("/", "home", pages.home)
    # Posted, so that a look-up code stands in no address, history or log.
    site.add_url_rule("/subscriber", "subscriber", pages.home, methods=["POST"])
    site.add_url_rule("/status/<serial>", "status", pages.status)
    site.add_url_rule("/health/live", "live", lambda: "live")
    site.register_error_handler(AntinError, _explain)
    site.register_error_handler(HTTPException, _explain_http)
    site.context_processor(pages.language)
    site.after_request(_harden)
    return site


@dataclass(frozen=True, slots=True)
class _Pages:
    db: Database
    clock: Clock
    rulebook: Callable[[datetime], Rulebook]
    zone: ZoneInfo

    def home(self) -> AnyResponse | str:
        query = request.args.get("q", "").strip()
        code = request.form.get("code", "").strip()
        if len(query) > _MOST_QUERY or len(code) > _MOST_QUERY:
            most = max(len(query), len(code))
            raise Invalid(f"The question has {most} characters; the limit is {_MOST_QUERY}.")
        if not query.isprintable():
            raise Invalid("The question holds a character that cannot be seen; write it again.")
        if not query:
            return render_template("home.html", query="", found=None)
        now = self.clock.now()
        with self.db.read() as tx:
            found = lookup.of_subscriber(tx, query, self._rulebook, now, code=code)
        if not found and _is_serial(query):
            lang, form = request.args.get("lang"), request.args.get("format")
            where = url_for("status", serial=query, lang=lang, format=form)
            return redirect(where, HTTPStatus.SEE_OTHER if code else HTTPStatus.FOUND)
        if _wants_json():
            return jsonify(certificates=[_plain(each) for each in found])
        return render_template("home.html", query=query, found=found, coded=bool(code))

    def status(self, serial: str) -> AnyResponse | str:
        at = self._instant(request.args.get("at"))
        with self.db.read() as tx:
            found = lookup.by_serial(tx, serials.parse(serial), at)
        if _wants_json():
            return jsonify(_plain(found))
        return render_template("status.html", found=found, asked="at" in request.args)

    def language(self) -> dict[str, Any]:
        chosen = _language()
        return {"t": words.WORDS[chosen], "lang": chosen, "when": self._when}

    def _instant(self, text: str | None) -> datetime:
        """Read ?at=, not later than now; one without a zone is local time, as invoices write it."""
        now = self.clock.now()
        if text is None:
            return now
        try:  # an unescaped + of the zone arrives as a blank
            instant = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
            instant = instant if instant.tzinfo else instant.replace(tzinfo=self.zone)
            instant = instant.astimezone(self.zone).astimezone(UTC)  # in the years 1 to 9999
        except (ValueError, OverflowError):
            raise Invalid(
                f"The instant {text[:40]!r} cannot be read; write 2024-04-20T09:30:00+07:00."
            ) from None
        if instant > now:
            raise Invalid(
                f"The instant {text[:40]!r} lies in the future, of which nothing is known."
            )
        return instant

    def _when(self, instant: datetime | None) -> str:
        if instant is None:
            return ""
        return instant.astimezone(self.zone).strftime("%d/%m/%Y %H:%M:%S")

    def _rulebook(self, now: datetime) -> Rulebook | None:
        try:
            return self.rulebook(now)
        except NotFound:
            return None


def _explain(error: AntinError) -> tuple[Any, int]:
    code = 404 if isinstance(error, NotFound) else 400 if isinstance(error, Invalid) else 503
    return _trouble(str(error), code)


def _explain_http(error: HTTPException) -> tuple[Any, int]:
    """Explain what Flask itself found: an unknown page, a wrong method, our own failure."""
    return _trouble("", error.code or 500)


def _trouble(sentence: str, code: int) -> tuple[Any, int]:
    """Return the page, or the problem document (RFC 9457); our sentences are English."""
    kind = "not_found" if code == HTTPStatus.NOT_FOUND else "invalid"
    kind = "failed" if code >= HTTPStatus.INTERNAL_SERVER_ERROR else kind
    if _wants_json():
        problem = jsonify(
            type="about:blank", title=sentence or words.WORDS["en"][kind], status=code
        )
        problem.mimetype = "application/problem+json"
        return problem, code
    spoken = sentence if _language() == "en" else ""
    text = spoken or words.WORDS[_language()][kind]
    return render_template("trouble.html", sentence=text), code


def _language() -> str:
    return "en" if request.args.get("lang") == "en" else "vi"


def _harden(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response


def _is_serial(query: str) -> bool:
    try:
        serials.parse(query)
    except Invalid:
        return False
    return True


def _wants_json() -> bool:
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json" or request.args.get("format") == "json"


def _plain(found: Standing) -> dict[str, Any]:
    return {
        "serial": found.serial,
        "status": found.validity.value,
        "since": found.since.isoformat() if found.since else None,
        "reason": found.reason or None,
        "clause": found.clause or None,
        "holds": list(found.holds),
        "not_before": found.not_before.isoformat(),
        "not_after": found.not_after.isoformat(),
        "at": found.at.isoformat(),
        "undelivered_notices": [each.isoformat() for each in found.undelivered],
        **(_told(found.truth) if found.truth else {}),
    }


def _told(truth: Truth) -> dict[str, Any]:
    return {
        "dossier": truth.dossier.value,
        "documents_lacking": truth.lacking,
        "missing_documents": [{"vi": vi, "en": en} for vi, en in truth.documents],
        "until": truth.until.isoformat() if truth.until else None,
        "next_steps": [{"key": each.key, "vi": each.vi, "en": each.en} for each in truth.steps],
    }
