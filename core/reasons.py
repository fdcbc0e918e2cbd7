"""The reason codes of RFC 5280 5.3.1, by their ASN.1 names."""

from enum import StrEnum

from cryptography.x509 import ReasonFlags


class Reason(StrEnum):
    """Why a certificate is on the CRL; the value is the name that RFC 5280 gives it."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    CERTIFICATE_HOLD = "certificateHold"
    REMOVE_FROM_CRL = "removeFromCRL"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    AA_COMPROMISE = "aACompromise"

    @property
    def code(self) -> int:
        """The CRLReason ENUMERATED value; 7 is not used (RFC 5280 5.3.1)."""
        return _CODES[self]

    @property
    def flag(self) -> ReasonFlags:
        """The same reason as `cryptography` names it."""
        return ReasonFlags(self.value)


_CODES = {
    Reason.UNSPECIFIED: 0,
    Reason.KEY_COMPROMISE: 1,
    Reason.CA_COMPROMISE: 2,
    Reason.AFFILIATION_CHANGED: 3,
    Reason.SUPERSEDED: 4,
    Reason.CESSATION_OF_OPERATION: 5,
    Reason.CERTIFICATE_HOLD: 6,
    Reason.REMOVE_FROM_CRL: 8,
    Reason.PRIVILEGE_WITHDRAWN: 9,
    Reason.AA_COMPROMISE: 10,
}

FINAL_REASONS = frozenset(Reason) - {Reason.CERTIFICATE_HOLD, Reason.REMOVE_FROM_CRL}
"""The reasons that a revocation may carry: all but the hold and its lifting."""
