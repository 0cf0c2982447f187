"""A membership attack that never sees the model: what it finds, the split gave away.

Where members and non-members differ by themselves (in age, source, length) an attack on the
model looks good without any memory (Das, Zhang & Tramèr 2024, "Blind baselines beat
membership inference attacks for foundation models", arXiv 2406.16201). After one random split
this baseline's AUC is about one half, and an attack's AUC means something by as much as it lies above it.
The interval of its AUC is :func:`blind_auc`'s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.privacy.attacks.auc import Side
from audit.privacy.attacks.rates import Auc, auc_of_sides
from audit.statistics.variance import Reals

# Chinese has no spaces, so that each of its characters is a word here, and so is each two.
_WORDS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[^\W\u3400-\u4dbf\u4e00-\u9fff]+")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_BUCKETS = 1 << 18
# What the standard error of an AUC of out-of-fold scores is multiplied by (see blind_auc).
OUT_OF_FOLD = math.sqrt(2)


def blind_baseline(
    member_texts: Sequence[str],
    non_member_texts: Sequence[str],
    *,
    seed: int = 0,
    folds: int = 5,
    member_cluster: ArrayLike | None = None,
    non_member_cluster: ArrayLike | None = None,
) -> tuple[Reals, Reals]:
    """Score texts by a logistic regression on their words and length, fitted to the other folds.

    Parameters
    ----------
    member_texts, non_member_texts
        The records' texts.
    seed
        Of the folds.
    folds
        At least 2; fewer are used where a side has fewer records or customers.
    member_cluster, non_member_cluster
        Label of each record's customer, the same label on both sides being the same customer. All
        of a customer's records are in one fold: otherwise the words that give a customer
        away would be taken for words that give members away.

    Returns
    -------
    Log-odds of being a member, of members (n,) and of non-members (m,); higher means more likely a
    member. NaN where a side has fewer than two records or customers. The same for the same input.

    Raises
    ------
    ValueError
        If clusters are given on one side only or their lengths differ from the texts', or
        folds are fewer than 2.

    Notes
    -----
    scikit-learn's LogisticRegression (C = 1) on unit-length counts of hashed words, and the
    standardised logarithm of the number of words; classes balanced, so that a fold's share of members moves no score.

    Examples
    --------
    Members are written in July, the others in August:

    >>> inside, outside = blind_baseline(["came in July"] * 20, ["came in August"] * 20)
    >>> inside.shape, bool(inside.min() > outside.max())
    ((20,), True)
    """
    from sklearn.linear_model import LogisticRegression

    texts = [*member_texts, *non_member_texts]
    member = np.arange(len(texts)) < len(member_texts)
    cluster = _clusters(member, member_cluster, non_member_cluster)
    if folds < 2:
        raise ValueError(f"folds must be 2 or more, but are {folds}")
    folds = min(folds, *(np.unique(cluster[side]).size for side in (member, ~member)))
    scores = np.full(len(texts), np.nan)
    if folds >= 2:
        features = _features(texts)
        for test in _folds(member, cluster, folds, seed):
            if np.unique(member[~test]).size < 2:
                continue
            model = LogisticRegression(class_weight="balanced", max_iter=1000)
            scores[test] = model.fit(features[~test], member[~test]).decision_function(features[test])
    return scores[member], scores[~member]


def blind_auc(
    members: ArrayLike,
    non_members: ArrayLike,
    *,
    member_cluster: ArrayLike | None = None,
    non_member_cluster: ArrayLike | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> Auc:
    """AUC of scores that :func:`blind_baseline` gave, with √2 times the bootstrap's standard error.

    The bootstrap takes scores as given, but each fold's scores come from the other folds' labels: with
    nothing to find, how well fold i predicts j and j predicts i are one number (the product of the
    two folds' differences of mean words), counted twice, and the variance is double. After random
    splits the plain 95 % interval leaves out one half in 15 to 21 % of runs, this one in 4 to 8 %.

    Parameters, returns and errors as in :func:`~audit.privacy.attacks.rates.auc_with_interval`.

    Examples
    --------
    >>> from audit.privacy.attacks.rates import auc_with_interval
    >>> sides = blind_baseline(["ab cd"] * 9 + ["ef"], ["ef"] * 9 + ["ab cd"])
    >>> found, plain = blind_auc(*sides), auc_with_interval(*sides)
    >>> found.auc == plain.auc, round(found.se / plain.se, 3)
    (True, 1.414)
    """
    sides = Side.of("members", members, member_cluster), Side.of("non_members", non_members, non_member_cluster)
    return auc_of_sides(*sides, alpha=alpha, draws=draws, seed=seed, widen=OUT_OF_FOLD)


def words_of(text: str) -> list[str]:
    """Words in lower case; of Chinese the characters, and every two that stand together.

    >>> words_of("Order No. 7 到货了")
    ['order', 'no', '7', '到', '货', '了', '到货', '货了']
    """
    found: list[str] = []
    for word in _WORDS.findall(text.lower()):
        if _CHINESE.match(word):
            found += [*word, *(word[at : at + 2] for at in range(len(word) - 1))]
        else:
            found.append(word)
    return found


def _features(texts: Sequence[str]) -> Any:
    from scipy import sparse
    from sklearn.feature_extraction.text import HashingVectorizer

    split = [words_of(text) for text in texts]
    counts = HashingVectorizer(analyzer=_as_it_is, n_features=_BUCKETS, alternate_sign=False, norm="l2").transform(
        split
    )
    counts = counts[:, np.unique(counts.indices)]  # a coefficient for each empty bucket would take most of the time
    length = np.log1p(np.array([len(words) for words in split], float))
    length = (length - length.mean()) / (length.std() or 1.0)
    return sparse.csr_matrix(sparse.hstack([counts, length[:, None]]))


def _as_it_is(words: list[str]) -> list[str]:
    return words


def _folds(member: NDArray[np.bool_], cluster: NDArray[np.intp], folds: int, seed: int) -> list[NDArray[np.bool_]]:
    """Which records each fold tests: whole clusters in random order, dealt out kind by kind.

    Clusters of members, of non-members and of both are dealt apart, so that each fold has its share of each.
    """
    size = int(cluster.max()) + 1
    inside, everyone = np.bincount(cluster[member], minlength=size), np.bincount(cluster, minlength=size)
    kind = (inside > 0).astype(int) + (inside == everyone)
    order = np.random.default_rng(seed).permutation(size)
    order = order[np.argsort(kind[order], kind="stable")]
    fold = np.empty(size, np.intp)
    fold[order] = np.arange(size) % folds
    return [fold[cluster] == one for one in range(folds)]


def _clusters(member: NDArray[np.bool_], inside: ArrayLike | None, outside: ArrayLike | None) -> NDArray[np.intp]:
    if (inside is None) != (outside is None):
        raise ValueError("give clusters of both members and non-members, or of neither")
    if inside is None or outside is None:
        return np.arange(member.size)
    labels = [str(one) for one in (*np.asarray(inside).tolist(), *np.asarray(outside).tolist())]
    if len(labels) != member.size or np.size(inside) != int(member.sum()):
        raise ValueError("clusters must have one label for each text")
    return np.unique(labels, return_inverse=True)[1] if labels else np.arange(0)
