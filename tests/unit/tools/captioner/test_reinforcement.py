"""Learning from rewards: captions become worth more, and an interruption changes nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from captioning.model.vocabulary import Vocabulary
from tools.captioner import reinforcement
from tools.captioner.checkpoint import Checkpoint
from tools.captioner.dataset import Dataset
from tools.captioner.errors import DatasetError, SettingsError
from tools.captioner.policy import Policy, Weights
from tools.captioner.reinforcement import RewardSummary, reinforce
from tools.captioner.rewards import Rewards
from tools.captioner.settings import GrammarSettings, ProductSettings, RewardSettings
from tools.captioner.vocabulary import END, build_vocabulary

UNITS = 16
ANIMALS, PLACES = ("dog", "cat", "bird"), ("grass", "sofa", "roof")
SETTINGS = RewardSettings(reward_epochs=4, reward_rate=2e-2, pictures_at_once=30, draws=5, averaging=0.9)


@pytest.fixture(scope="module")
def animals() -> Dataset:
    """Pictures of three animals in three places, told apart by their features alone."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(3, size=(120, 2))
    features = rng.normal(scale=0.1, size=(120, 8)).astype(np.float32)
    features[np.arange(120), kinds[:, 0]] += 1
    features[np.arange(120), 3 + kinds[:, 1]] += 1
    captions = tuple((("a", ANIMALS[animal], "on", "the", PLACES[place]),) for animal, place in kinds)
    return Dataset(tuple(map(str, range(120))), features, captions)


@pytest.fixture(scope="module")
def vocabulary(animals: Dataset) -> Vocabulary:
    return build_vocabulary((caption for said in animals.captions for caption in said), 1)


def fresh_policy(vocabulary: Vocabulary) -> Policy:
    rng = np.random.default_rng(0)
    tokens = len(vocabulary.words)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(scale=0.3, size=shape).astype(np.float32)

    weights = Weights(
        drawn(8, UNITS),
        drawn(UNITS),
        drawn(tokens, UNITS),
        drawn(UNITS, 4 * UNITS),
        drawn(UNITS, 4 * UNITS),
        drawn(4 * UNITS),
        drawn(UNITS, UNITS),
        drawn(UNITS),
        drawn(UNITS, tokens),
        drawn(tokens),
    )
    ones, zeros = (np.full(size, value, np.float32) for value, size in ((1, 8), (0, 8)))
    return Policy(weights, ones, zeros, np.ones(UNITS, np.float32), np.zeros(UNITS, np.float32))


def learn(
    animals: Dataset, vocabulary: Vocabulary, settings: RewardSettings, folder: Path, seed: int = 1
) -> tuple[Policy, RewardSummary]:
    checkpoint = Checkpoint(folder / "rewards.npz", "these ingredients")
    return reinforce(fresh_policy(vocabulary), animals, vocabulary, settings, seed=seed, checkpoint=checkpoint)


def test_a_policy_that_knows_nothing_learns_to_say_what_is_rewarded(
    animals: Dataset, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, reward_epochs=60)
    _, summary = learn(animals, vocabulary, settings, tmp_path)
    assert summary.bleu[0] < 0.1
    assert summary.bleu[-1] > 0.5
    assert summary.surprises[-1] < summary.surprises[0] / 4


def test_a_policy_that_is_held_to_grammar_says_what_people_put_together(
    animals: Dataset, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    references = reinforcement._references(animals, vocabulary)
    rewards = Rewards(references, cider_weight=0, grammar_weight=1)

    def faults(policy: Policy) -> float:
        drawn = policy.draw(policy.project(animals.features), 18, np.random.default_rng(0))
        return float(np.mean([rewards.count_faults(caption) for caption in drawn]))

    said = {}
    for weight in (0.0, 1.0):
        (folder := tmp_path / str(weight)).mkdir()
        settings = GrammarSettings((8,), (2e-2,), (1.5,), (weight,), example_weight=0)
        (stage,) = settings.after(SETTINGS)
        said[weight] = faults(learn(animals, vocabulary, stage, folder)[0])
    assert said[1.0] < said[0.0] / 2


def test_examples_alone_are_learned_from(animals: Dataset, vocabulary: Vocabulary, tmp_path: Path) -> None:
    said = reinforcement._sayable(reinforcement._references(animals, vocabulary))
    pictures = np.arange(len(said))

    def surprise(policy: Policy) -> float:
        captions = [picture[0] for picture in said]
        return policy.gradient(animals.features, pictures, captions, np.ones(len(said)))[1]

    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    few = replace(SETTINGS, reward_epochs=6)
    without, _ = learn(animals, vocabulary, few, tmp_path / "without")
    taught, _ = learn(animals, vocabulary, replace(few, example_weight=20.0), tmp_path / "with")
    assert surprise(taught) < surprise(without) - 0.1


def test_words_that_cannot_be_said_make_no_example(animals: Dataset) -> None:
    few = build_vocabulary([("a", "on", "the", "dog", "grass")], 1)
    examples = reinforcement._sayable(reinforcement._references(animals, few))
    assert any(examples)
    for said, picture in zip(animals.captions, examples, strict=True):
        assert bool(picture) == (set(said[0]) <= set(few.words))


def test_to_break_off_is_worth_less_than_to_end_as_people_do(animals: Dataset, vocabulary: Vocabulary) -> None:
    rewards = Rewards(reinforcement._references(animals, vocabulary), cider_weight=0)
    words = animals.captions[0][0]
    whole, broken, on_and_on = (
        (*(vocabulary.words.index(word) for word in said), END) for said in (words, words[:-1], (*words, "the"))
    )
    worth = rewards.weigh([0, 0, 0], [whole, broken, on_and_on])
    assert worth[0] > worth[1]
    assert worth[0] > worth[2]
    assert rewards.weigh([0, 0], [whole, whole[:-1]]).argmax() == 0


def test_one_seed_gives_the_same_weights_and_another_others(
    animals: Dataset, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    runs = []
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        runs.append(learn(animals, vocabulary, SETTINGS, tmp_path / name, seed)[0].weights.embedding)
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(
    animals: Dataset, vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    expected, figures = learn(animals, vocabulary, SETTINGS, whole)
    batches = 0
    learn_from = reinforcement._learn_from

    def stop_in_the_third_epoch(*arguments: object, **named: object) -> float:
        nonlocal batches
        batches += 1
        if batches == 11:
            raise KeyboardInterrupt
        return learn_from(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(reinforcement, "_learn_from", stop_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        learn(animals, vocabulary, SETTINGS, tmp_path)
    monkeypatch.undo()
    resumed, again = learn(animals, vocabulary, SETTINGS, tmp_path)
    assert (again.bleu, again.surprises) == (figures.bleu, figures.surprises)
    for ours, theirs in zip(resumed.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_picture_is_seen_whole_and_in_its_other_views_in_the_shares_asked_for(animals: Dataset) -> None:
    views = np.stack([np.full_like(animals.features, 7), np.full_like(animals.features, 8)])
    rows = np.arange(len(animals.names))
    rng = np.random.default_rng(0)

    def seen(view_share: float, of: "np.ndarray | None") -> "np.ndarray":
        settings = RewardSettings(view_share=view_share)
        lessons = reinforcement._Lessons(
            animals.features, of, animals.features.mean(axis=0), Rewards(animals.captions, 0), [], settings
        )
        return np.stack([lessons.look(rows, rng) for _ in range(50)])

    np.testing.assert_array_equal(seen(0.5, None)[0], animals.features)
    np.testing.assert_array_equal(seen(0, views)[0], animals.features)
    first = seen(0.4, views)[..., 0]
    assert np.mean(first == 7) == pytest.approx(0.2, abs=0.02)
    assert np.mean(first == 8) == pytest.approx(0.2, abs=0.02)
    np.testing.assert_array_equal(np.where(first < 7, first, animals.features[:, 0]), [animals.features[:, 0]] * 50)


def test_hidden_features_are_those_of_no_picture_and_the_others_make_up_for_them(animals: Dataset) -> None:
    mean = animals.features.mean(axis=0)
    rng = np.random.default_rng(0)
    shown = np.stack([reinforcement._hide(animals.features, mean, 0.25, rng) for _ in range(2000)])
    assert (shown == mean).mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_allclose(shown.mean(axis=0), animals.features, atol=0.1)
    np.testing.assert_allclose(reinforcement._hide(animals.features, mean, 0, rng), animals.features, atol=1e-6)


def test_no_epoch_leaves_the_policy_as_it_was(animals: Dataset, vocabulary: Vocabulary, tmp_path: Path) -> None:
    taught, summary = learn(animals, vocabulary, replace(SETTINGS, reward_epochs=0), tmp_path)
    assert summary.bleu == ()
    for ours, theirs in zip(taught.weights, fresh_policy(vocabulary).weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_that_diverges_says_what_to_change(animals: Dataset, vocabulary: Vocabulary, tmp_path: Path) -> None:
    broken = replace(animals, features=np.full_like(animals.features, np.nan))
    with pytest.raises(DatasetError, match="--reward-rate"):
        learn(broken, vocabulary, SETTINGS, tmp_path)
    assert not (tmp_path / "rewards.npz").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"grammar_epochs": (-1, 2)},
        {"grammar_epochs": ()},
        {"grammar_rate": (0.0, 0.1)},
        {"grammar_rate": (0.1, 0.1, 0.1)},
        {"grammar_weight": (0.4, -0.1)},
        {"grammar_cider_weight": (-1.0, 1.0)},
        {"example_weight": -1.0},
    ],
)
def test_a_last_stage_that_cannot_train_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        GrammarSettings(**wrong)  # type: ignore[arg-type]


def test_one_value_is_that_of_every_end_and_no_passes_leave_rewards_the_last_word() -> None:
    strict, plain = GrammarSettings((3, 0), (0.1,), (2.0,), (0.5, 0.25)).after(SETTINGS)
    assert (strict.reward_epochs, plain.reward_epochs) == (3, 0)
    assert (strict.reward_rate, plain.reward_rate, strict.cider_weight, plain.cider_weight) == (0.1, 0.1, 2.0, 2.0)
    assert (strict.grammar_weight, plain.grammar_weight) == (0.5, 0.25)
    assert strict.pictures_at_once == SETTINGS.pictures_at_once


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"decoder_bits": 16}, {"sure_from": 1.5}])
def test_a_product_that_cannot_be_made_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        ProductSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"reward_epochs": -1},
        {"reward_rate": 0.0},
        {"reward_rate": 1.0},
        {"pictures_at_once": 0},
        {"draws": 1},
        {"cider_weight": -0.1},
        {"feature_dropout": 1.0},
        {"averaging": 1.0},
    ],
)
def test_settings_that_cannot_train_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        RewardSettings(**wrong)  # type: ignore[arg-type]


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state.npz", "flour")
    assert checkpoint.load() is None
    checkpoint.save([np.arange(3), np.eye(2)], {"epoch": 4, "rng": np.random.default_rng(0).bit_generator.state})
    state = checkpoint.load()
    assert state is not None
    assert state.notes["epoch"] == 4
    assert state.notes["rng"] == np.random.default_rng(0).bit_generator.state
    np.testing.assert_array_equal(state.arrays[1], np.eye(2))
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


def test_a_state_of_other_ingredients_or_a_damaged_one_is_none(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state.npz", "flour")
    checkpoint.save([np.arange(1000)], {"epoch": 4})
    assert Checkpoint(checkpoint.path, "sugar").load() is None
    content = checkpoint.path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"not a zip file", content[:200] + b"\0" * 40 + content[240:]):
        checkpoint.path.write_bytes(damaged)
        assert checkpoint.load() is None
