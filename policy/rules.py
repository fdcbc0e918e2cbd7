"""The rules of the registration authority: three pure questions, and the same question once more.

    judge    how does this dossier stand?                     policy.judgement
    admit    may this act be done?                            policy.admission
    decide   what do time and the dossier demand now?         policy.timetable
    repeat   does a stored decision still come out the same?

All take the rulebook and, where it matters, `now`; none reaches a clock, a file or the database.
"""

from policy.admission import admit
from policy.judgement import judge
from policy.model import Decision, Refusal
from policy.rulebook import Rulebook
from policy.timetable import decide

__all__ = ["admit", "decide", "judge", "repeat"]


def repeat(made: Decision | Refusal, rulebook: Rulebook) -> Decision | Refusal:
    """Put the question that `made` answered again, on its own facts and at its own instant.

    Under the rulebook it names, the answer is equal to `made`; under another one, it shows what
    that rulebook would have done.
    """
    if made.wanted is None:
        return decide(made.facts, rulebook, made.at)
    return admit(made.wanted, made.facts, rulebook, made.at)
