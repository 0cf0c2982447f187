"""What Chinese texts tell of a customer, axis by axis."""

from collections.abc import Mapping
from typing import Final

from audit.mitigation.augmentation.chinese import age, gender, origins
from audit.mitigation.augmentation.passages import Axis

CHINESE: Final[Mapping[str, Axis]] = {"age": age.copies, "gender": gender.copies, "region": origins.region}
