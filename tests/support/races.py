"""What the writers of a race on a store do. Their processes import no more than they need: there are many."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tuning.observations import Correction, Failure, Observation, Setting, Told
from tuning.stores.port import IdempotencyKey, ObservationStore

WRITERS = 16
SHARED = 1
"""The position of the entry that all writers of a study correct."""
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def batch(writer: int, update: int) -> list[Observation]:
    """One to five ratings, whose names say of which batch they are and how large it is."""
    size = 1 + (writer + update) % 5
    api = ("leonardo", "stablediffusion")[update % 2]
    rating = 1 + ((writer * 50 + update) * 7919 % 9973) / 9973 * 4
    setting = Setting(api, (("guidance_scale", 5 + update / 7),))
    return [Observation("structure", setting, rating, NOW, f"{writer}-{update} of {size}")] * size


def said(rating: float | None, withdrawn: bool = False) -> str:
    """The comment of an entry or a revision, which says what else must be in it."""
    return repr((rating, withdrawn))


def correction(rating: float | None = None, *, of: float | None = None, withdrawn: bool = False) -> Correction:
    """A correction to this rating, or of nothing but whether it is withdrawn."""
    return Correction(NOW, rating, said(rating if rating is not None else of, withdrawn), withdrawn)


def rating_of(writer: int, turn: int, number: int) -> float:
    """A rating that no other entry and no other revision has."""
    return 1 + ((writer * 6 + turn) * 5 + number + 1) / (WRITERS * 30 + 5) * 4


def setting_of(writer: int, turn: int, number: int) -> Setting:
    return Setting("leonardo", (("guidance_scale", 5 + writer + turn / 10 + number / 100),))


def turns(
    store: ObservationStore, writer: int, study: str, rounds: int, patiently: Callable[..., Any]
) -> Iterator[list[object]]:
    """Record two ratings and a failure, correct the first, withdraw the second and correct what all share, in turns.

    Gives the positions of those three, the number and the rating of the shared entry's revision, and the counts that
    the four acknowledgements saw.
    """
    for turn in range(rounds):

        def key(what: str, turn: int = turn) -> IdempotencyKey:
            return IdempotencyKey(f"{writer}-{turn}-{what}", "body")

        first, second, third = (rating_of(writer, turn, number) for number in range(3))
        shared = rating_of(writer, turn, 3)
        told: list[Told] = [
            Observation("structure", setting_of(writer, turn, number), rating, NOW, comment=said(rating))
            for number, rating in enumerate((first, second))
        ]
        told.append(Failure("structure", setting_of(writer, turn, 2), "skipped", NOW, comment=said(None)))
        recorded = patiently(store.record, told, study=study, idempotency_key=key("record"))
        one, two, _ = recorded.positions
        answers = [
            patiently(store.revise, study, position, what, seen=seen, idempotency_key=key(name))
            for name, position, what, seen in (
                ("correct", one, correction(third), 1),
                ("withdraw", two, correction(of=second, withdrawn=True), 1),
                ("shared", SHARED, correction(shared), None),
            )
        ]
        last = answers[-1].entry.revision
        seen = [one.samples_seen for one in (recorded, *answers)]
        yield [recorded.positions, last.number, last.rating, seen]
