"""Values to fill observation stores with: settings, ratings, failures, suggestions and keys that differ by a number."""

from datetime import UTC, datetime, timedelta

from tuning.observations import DEFAULT_STUDY, Failure, Observation, Setting, Suggestion
from tuning.stores.port import IdempotencyKey

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DAY = timedelta(days=1)


def setting(step: int = 0) -> Setting:
    values = (("init_strength", 0.28), ("guidance_scale", 5 + step / 100), ("controlnet_weight", 0.89))
    return Setting("leonardo", values)


def observation(
    step: int = 0,
    *,
    mode: str = "structure",
    rating: float | None = None,
    suggestion_id: str | None = None,
    rater: str | None = None,
    picture: str | None = None,
    comment: str | None = None,
    at: datetime = NOW,
) -> Observation:
    given = 1 + step % 9 / 2 if rating is None else rating
    return Observation(mode, setting(step), given, at, suggestion_id, rater, picture, comment)


def failure(
    step: int = 0, *, mode: str = "structure", suggestion_id: str | None = None, rater: str | None = None
) -> Failure:
    return Failure(mode, setting(step), "the enhancer refused it: «nudité»\n", NOW, suggestion_id, rater, "p7", "again")


def suggestion(
    identity: str,
    step: int = 0,
    *,
    mode: str = "structure",
    study: str = DEFAULT_STUDY,
    now: datetime = NOW,
    lasting: timedelta = DAY,
) -> Suggestion:
    return Suggestion(identity, mode, setting(step), now, now + lasting, study)


def key(name: str = "key", fingerprint: str = "body") -> IdempotencyKey:
    return IdempotencyKey(name, fingerprint)
