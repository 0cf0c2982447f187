"""What English texts tell of a customer, axis by axis."""

from collections.abc import Mapping
from typing import Final

from audit.mitigation.augmentation.english import age, gender, origins
from audit.mitigation.augmentation.passages import Axis

ENGLISH: Final[Mapping[str, Axis]] = {
    "age": age.copies,
    "gender": gender.copies,
    "race": origins.race,
    "region": origins.region,
}
