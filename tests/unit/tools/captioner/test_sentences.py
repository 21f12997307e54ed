"""What BLEU does not see of a set of captions."""

from tools.captioner.sentences import judge_sentences


def words(*captions: str) -> list[list[str]]:
    return [caption.split() for caption in captions]


def test_the_figures_are_those_of_captions_counted_by_hand() -> None:
    captions = words("a dog runs", "a dog runs", "a man in a ball", "a cat")
    references = [words("a dog runs", "a dog"), words("a dog"), words("a man throws a ball"), words("a cat sleeps")]
    judged = judge_sentences(captions, references, known=words("a dog runs", "a man in a hat"))
    assert judged.verbs == 2 / 4
    assert judged.reference_verbs == 3 / 5
    assert judged.foreign == 1 / 4  # "in a ball"
    assert judged.misplaced == 1
    assert judged.distinct == 3
    assert judged.repeated == 2 / 4
    assert judge_sentences(captions, references).foreign is None
