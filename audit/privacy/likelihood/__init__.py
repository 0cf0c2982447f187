"""What a model says of given texts, token by token: the one forward pass that all of the privacy audit reads."""

from audit.privacy.likelihood.scorer import Scorer
from audit.privacy.likelihood.stage import not_scored, score_passages
from audit.privacy.likelihood.values import Passage, Span

__all__ = ["Passage", "Scorer", "Span", "not_scored", "score_passages"]
