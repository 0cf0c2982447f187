"""Members found at a false positive rate: tests and interval that count in what sets the threshold.

A share of members at or above a threshold looks binomial, but the threshold is that of k of n'
non-members: another set of them would put it elsewhere, and of 1,000 non-members ten set it at 1 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special


@dataclass(frozen=True, slots=True)
class Found:
    """``rate`` of ``size`` members found where ``fpr`` of ``others`` non-members pass; both numbers effective ones.

    Members found are those above the (k+1)th highest non-member, k = ⌊f·n'⌋. If a member gets
    there c times as often as a non-member, their number is that of successes before the (k+1)th
    failure at odds c·n/n' (negative binomial). What is tested, and has an interval, is c·f: the
    share of members beyond the true threshold. About the threshold alone, as by Clopper &
    Pearson, the spread of a c of 5 would be too small by √6. Where the likelihood ratio grows with
    the score, so that nearer ones than the threshold count for less, the true spread is
    smaller, and tests and interval are on the safe side.
    """

    rate: float
    size: float
    others: float
    fpr: float

    def above(self, limit: float) -> float:
        """One-sided p of "c·f is at most the limit": I_q(x, k+1), with q = odds/(1 + odds).

        >>> round(Found(.01, 1000, 1000, .01).above(.05), 4)
        0.9999
        """
        events = self.rate * self.size
        return float(special.betainc(events, self._failures(), self._share(limit))) if events > 0 else 1.0

    def below(self, limit: float) -> float:
        """One-sided p of "c·f is at least the limit": 1 − I_q(x+1, k+1).

        >>> round(Found(.01, 1000, 1000, .01).below(.05), 4)
        0.0002
        """
        return float(special.betaincc(self.rate * self.size + 1, self._failures(), self._share(limit)))

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """The values of c·f that neither test rejects at alpha/2; at most 1.

        >>> low, high = Found(.01, 1000, 1000, .01).interval()
        >>> round(low, 4), round(high, 4)
        (0.0037, 0.0236)
        """
        if not (self.size > 0 and self.others > 0):
            return math.nan, math.nan
        events, failures = self.rate * self.size, self._failures()
        low = self._limit(float(special.betaincinv(events, failures, alpha / 2))) if events > 0 else 0.0
        high = self._limit(float(special.betaincinv(events + 1, failures, 1 - alpha / 2)))
        # At most as many non-members pass as may: where fewer do, the threshold is on the strict side.
        return min(low, self.rate), max(self.rate, high)

    def _failures(self) -> float:
        return math.floor(self.fpr * self.others + 1e-9) + 1.0

    def _share(self, limit: float) -> float:
        odds = min(limit, 1.0) / self.fpr * self.size / self.others
        return odds / (1 + odds)

    def _limit(self, share: float) -> float:
        odds = share / (1 - share) if share < 1 else math.inf
        return min(1.0, odds * self.fpr * self.others / self.size)
