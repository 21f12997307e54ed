"""Teaches a trained decoder by rewards for its own captions.

Self-critical sequence training (Rennie et al., "Self-critical sequence training for image captioning", 2017): the
policy draws several captions of each picture; the words of those that are worth more than the others become likelier.
The baseline is the mean of the picture's other captions (Kool, van Hoof, Welling, "Buy 4 REINFORCE samples, get a
baseline for free", 2019). So that no picture is learned by heart, it is seen now whole and now in another view (see
`tools.captioner.views`), and a share of its features is hidden each time, the same while captions are drawn and while
they are learned from. So that sentences stay those that people say, a little is
learned from one of their captions of each picture as well (as Ranzato et al., "Sequence level training with recurrent
neural networks", 2016, mix the two). Adam, its rate falling to a tenth along a line; what is kept
is the running mean of the weights (Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992).

It does not use the validation split: nothing is chosen here, and the result is the last mean.
"""

import math
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tools.captioner.errors import DatasetError
from tools.captioner.policy import Policy, Weights
from tools.captioner.progress import announce, progress
from tools.captioner.rewards import Rewards
from tools.captioner.vocabulary import END

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from captioning.model.vocabulary import Vocabulary
    from tools.captioner.checkpoint import Checkpoint
    from tools.captioner.dataset import Dataset
    from tools.captioner.settings import RewardSettings

__all__ = ["RewardSummary", "reinforce"]

_MAX_WORDS: Final = 18
_WARM_UP: Final = 20
_LAST_RATE: Final = 0.1
_FIRST_MOMENT: Final = 0.9
_SECOND_MOMENT: Final = 0.99
_TINY: Final = 1e-8


@dataclass(frozen=True, slots=True)
class RewardSummary:
    """The course of a run: one figure per epoch, each of the captions that were drawn towards its end.

    `bleu` is their corpus BLEU-4, the end mark counted as a word; `surprises` are the policy's own nats per word:
    its entropy. `seconds` counts whole epochs, interruptions left out.
    """

    bleu: tuple[float, ...]
    surprises: tuple[float, ...]
    seconds: float


class _Learner:
    """Adam (Kingma, Ba, 2015) over a policy's weights, in place, and the weights' running mean."""

    def __init__(self, policy: Policy, averaging: float) -> None:
        self.policy = policy
        self._averaging = averaging
        self.first, self.second = ([np.zeros_like(weight) for weight in policy.weights] for _ in range(2))
        self.mean = [weight.copy() for weight in policy.weights]
        self.steps = 0

    def learn(self, gradient: Weights, rate: float) -> None:
        self.steps += 1
        corrected = rate * math.sqrt(1 - _SECOND_MOMENT**self.steps) / (1 - _FIRST_MOMENT**self.steps)
        # A young mean decays faster, so that it does not keep its initial value for long.
        kept = min(self._averaging, (1 + self.steps) / (10 + self.steps))
        for place, (weight, slope) in enumerate(zip(self.policy.weights, gradient, strict=True)):
            self.first[place] += (1 - _FIRST_MOMENT) * (slope - self.first[place])
            self.second[place] += (1 - _SECOND_MOMENT) * (slope * slope - self.second[place])
            weight[...] -= corrected * self.first[place] / (np.sqrt(self.second[place]) + _TINY)
            self.mean[place] += (1 - kept) * (weight - self.mean[place])

    def arrays(self) -> list[np.ndarray]:
        return [*self.policy.weights, *self.first, *self.second, *self.mean]

    def restore(self, arrays: "Sequence[np.ndarray]", steps: int) -> None:
        for held, saved in zip(self.arrays(), arrays, strict=True):
            held[...] = saved
        self.steps = steps


def reinforce(
    policy: Policy,
    training: "Dataset",
    vocabulary: "Vocabulary",
    settings: "RewardSettings",
    *,
    seed: int,
    checkpoint: "Checkpoint",
    views: "NDArray[np.float32] | None" = None,
) -> tuple[Policy, RewardSummary]:
    """Teach the policy, and give back the mean one. `policy` itself is changed.

    `checkpoint` keeps what each epoch made. `seed` deals the pictures, hides features and draws the captions. `views`
    [views, pictures, F] has features of other views of the same pictures.

    Raises DatasetError when the weights are no longer finite.
    """
    rng = np.random.default_rng(seed)
    references = _references(training, vocabulary)
    rewards = Rewards(
        references,
        settings.cider_weight,
        grammar_weight=settings.grammar_weight,
        spell=lambda said: [
            vocabulary.words[token] for token in said if isinstance(token, int | np.integer) and token != END
        ],
    )
    mean = training.features.mean(axis=0)
    lessons = _Lessons(training.features, views, mean, rewards, _sayable(references), settings)
    learner = _Learner(policy, settings.averaging)
    bleu: list[float] = []
    surprises: list[float] = []
    seconds = 0.0
    if state := checkpoint.load():
        learner.restore(state.arrays, state.notes["steps"])
        rewards.means = np.array(state.notes["means"])
        rng.bit_generator.state = state.notes["rng"]
        bleu, surprises, seconds = state.notes["bleu"], state.notes["surprises"], state.notes["seconds"]
        announce(f"going on after {len(bleu)} of {settings.reward_epochs} epochs of rewards")
    batches = -(-len(training.names) // settings.pictures_at_once)
    for epoch in range(len(bleu) + 1, settings.reward_epochs + 1):
        began = time.monotonic()
        title = f"reward epoch {epoch}/{settings.reward_epochs}"
        order = rng.permutation(len(training.names))
        last: deque[float] = deque(maxlen=_WARM_UP)
        for rows in progress(np.array_split(order, batches), title):
            done = learner.steps / (settings.reward_epochs * batches)
            rate = settings.reward_rate * min(1.0, (learner.steps + 1) / _WARM_UP) * (1 - (1 - _LAST_RATE) * done)
            last.append(_learn_from(rows, learner, lessons, rng, rate))
        bleu.append(rewards.bleu)
        surprises.append(float(np.mean(last)))
        announce(f"{title}: BLEU-4 of what was drawn {bleu[-1]:.3f}, {surprises[-1]:.3f} nats per word")
        if not np.isfinite(surprises[-1]):
            raise DatasetError(f"learning from rewards diverged in epoch {epoch}: take a smaller --reward-rate")
        seconds += time.monotonic() - began
        checkpoint.save(
            learner.arrays(),
            {
                "bleu": bleu,
                "surprises": surprises,
                "seconds": seconds,
                "steps": learner.steps,
                "means": rewards.means.tolist(),
                "rng": rng.bit_generator.state,
            },
        )
    return replace(policy, weights=Weights(*learner.mean)), RewardSummary(tuple(bleu), tuple(surprises), seconds)


@dataclass(frozen=True, slots=True)
class _Lessons:
    """What is learned from: `features` [pictures, F], `mean` [F] of them, rewards, and what people say of each picture.

    `views` [views, pictures, F], if any, are other views of them. `examples` has, for each picture, those of people's
    captions that can be said.
    """

    features: "NDArray[np.float32]"
    views: "NDArray[np.float32] | None"
    mean: "NDArray[np.float32]"
    rewards: Rewards
    examples: "Sequence[Sequence[tuple[int, ...]]]"
    settings: "RewardSettings"

    def look(self, rows: "NDArray[np.intp]", rng: np.random.Generator) -> "NDArray[np.float32]":
        """Return features [rows, F] of the pictures in these rows: of the whole picture, or of one of its views."""
        whole = self.features[rows]
        if self.views is None:
            return whole
        other = self.views[rng.integers(len(self.views), size=len(rows)), rows]
        return np.where(rng.random((len(rows), 1)) < self.settings.view_share, other, whole)


def _learn_from(
    rows: "NDArray[np.intp]", learner: _Learner, lessons: _Lessons, rng: np.random.Generator, rate: float
) -> float:
    """Draw captions of the pictures in these rows, learn from them, and return the surprise in nats per word."""
    settings, policy = lessons.settings, learner.policy
    features = _hide(lessons.look(rows, rng), lessons.mean, settings.feature_dropout, rng)
    draws = settings.draws
    pictures = np.repeat(np.arange(len(rows)), draws)
    captions = policy.draw(policy.project(features)[pictures], _MAX_WORDS, rng)
    worth = lessons.rewards.weigh(rows[pictures].tolist(), captions).reshape(-1, draws)
    others = (worth.sum(axis=1, keepdims=True) - worth) / (draws - 1)
    gradient, surprise = policy.gradient(features, pictures, captions, (worth - others).ravel())
    examples = [
        (place, lessons.examples[row][int(rng.integers(len(lessons.examples[row])))])
        for place, row in enumerate(rows)
        if settings.example_weight and lessons.examples[row]
    ]
    if examples:
        places = np.array([place for place, _ in examples], np.intp)
        weights = np.full(len(examples), settings.example_weight)
        slopes, _ = policy.gradient(features, places, [said for _, said in examples], weights)
        gradient = Weights(*(one + other for one, other in zip(gradient, slopes, strict=True)))
    learner.learn(gradient, rate)
    return surprise


def _hide(
    features: "NDArray[np.float32]", mean: "NDArray[np.float32]", share: float, rng: np.random.Generator
) -> "NDArray[np.float32]":
    """Dropout of features [pictures, F] around their `mean` [F]: what is hidden becomes that, the rest weighs more."""
    shown = rng.random(features.shape, np.float32) >= share
    return np.where(shown, mean + (features - mean) / np.float32(1 - share), mean)


def _sayable(references: "Sequence[Sequence[tuple[object, ...]]]") -> list[list[tuple[int, ...]]]:
    """Keep the captions, at most of the longest that is drawn, whose every word is a token that can be said."""
    return [
        [
            tuple(token for token in said if isinstance(token, int))
            for said in picture
            if 1 < len(said) <= _MAX_WORDS and all(isinstance(token, int) for token in said)
        ]
        for picture in references
    ]


def _references(training: "Dataset", vocabulary: "Vocabulary") -> list[list[tuple[object, ...]]]:
    """Return what people said, as tokens; a cut word stays a word, which no caption can say.

    The end mark is a word here as in what is drawn. Without it, to break off ("a girl in a") would cost nothing: each
    word that follows is one that may be wrong.
    """
    tokens = {word: token for token, word in enumerate(vocabulary.words)}
    return [[(*(tokens.get(word, word) for word in said), END) for said in picture] for picture in training.captions]
