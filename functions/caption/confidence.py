"""What the API says of `confidence` and `sure`, wherever an answer has them."""

from typing import Final

CONFIDENCE: Final = (
    "0 to 1; where `sure` is given, the probability that the caption is as good as a person's, and else the geometric "
    "mean of the words' probabilities"
)
SURE: Final = (
    "whether the caption can be relied on: show it as `not sure` where this is false; "
    "only with a model that was calibrated"
)
