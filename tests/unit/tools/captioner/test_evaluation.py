"""Which ways of decoding are scored, and which one a bundle gets."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from captioning.errors import BundleError, DecodingError
from captioning.model.bundle import MANIFEST
from captioning.model.decoding import Decoding
from tools.captioner.errors import DatasetError
from tools.captioner.evaluation import evaluate_bundle, list_decodings
from tools.captioner.figures import Evaluation, best_of, to_json, to_markdown
from tools.captioner.scores import Scores
from tools.captioner.sentences import Sentences
from tools.captioner.trust import Trust


def evaluation(
    beam_width: int, bleu_4: float, loops: int = 0, no_repeat_ngram: int = 2, cider: float = 0.512
) -> Evaluation:
    return Evaluation(
        Decoding(beam_width, 0.7, 20, no_repeat_ngram),
        Scores((0.6, 0.4, 0.3, bleu_4), cider, loops, loops, 9.5),
        (("a", "dog"),),
        Sentences(0.75, 0.8, 0.031, 2, 546, 0.6),
        Trust(0.3, 0.041, 0.785),
    )


def test_the_best_bleu_4_is_chosen() -> None:
    worse, best = evaluation(1, 0.18), evaluation(3, 0.20)
    assert best_of([worse, best, evaluation(5, 0.19)]) is best


def test_a_wider_beam_must_be_worth_its_time() -> None:
    narrow, wide = evaluation(1, 0.2435), evaluation(5, 0.2445)
    assert best_of([narrow, wide]) is narrow
    assert best_of([evaluation(1, 0.2405), wide]) is wide


def test_of_one_beam_a_better_cider_is_worth_a_trifle_of_bleu_4() -> None:
    precise, telling = evaluation(3, 0.2545, cider=0.604), evaluation(3, 0.2530, cider=0.607)
    assert best_of([precise, telling]) is telling
    assert best_of([precise, evaluation(3, 0.2510, cider=0.7)]) is precise
    assert best_of([evaluation(3, 0.2530), evaluation(3, 0.2545)]).scores.bleu[3] == 0.2545


def test_captions_do_not_repeat_themselves_for_a_trifle() -> None:
    free, barred = evaluation(1, 0.2445, no_repeat_ngram=0), evaluation(1, 0.2435)
    assert best_of([free, barred]) is barred


def test_a_better_score_does_not_excuse_a_loop_unless_all_loop() -> None:
    looping, clean = evaluation(1, 0.25, loops=1), evaluation(3, 0.20)
    assert best_of([looping, clean]) is clean
    assert best_of([looping, evaluation(5, 0.24, loops=9)]) is looping


def test_every_beam_meets_every_penalty_and_greedy_decoding_comes_with_and_without_repeats() -> None:
    decodings = list_decodings([1, 4], [0.0, 2.0])
    assert [(decoding.beam_width, decoding.length_penalty, decoding.no_repeat_ngram) for decoding in decodings] == [
        (1, 0.0, 0),
        (1, 0.0, 2),
        (4, 0.0, 2),
        (4, 2.0, 2),
    ]


def test_every_topic_weight_is_tried_with_every_beam_that_it_can_change() -> None:
    decodings = list_decodings([1, 3], [0.7], [0.0, 1.5])
    assert [(decoding.beam_width, decoding.topic_weight) for decoding in decodings] == [
        (1, 0),
        (1, 0),
        (3, 0),
        (3, 1.5),
    ]
    assert {decoding.topic_weight for decoding in list_decodings()} == {0}


def test_a_bundles_own_weight_of_topics_is_tried_unless_others_are_wished(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text(
        "image,caption\nb.png,A brown dog runs\nb.png,A man sits\n", encoding="utf-8"
    )
    (tmp_path / "train.txt").write_text("a.png\n", encoding="utf-8")
    (tmp_path / "val.txt").write_text("b.png\n", encoding="utf-8")
    features = np.random.default_rng(0).normal(size=(1, 48)).astype(np.float32)
    np.savez(tmp_path / "features_val.npz", names=["b.png"], features=features)
    bundle = Path("tests/bundles/tiny-topics")
    own, *others = (one.decoding for one in evaluate_bundle(bundle, tmp_path))
    assert own == Decoding(3, 0.7, 12, topic_weight=1.5)
    assert {one.topic_weight for one in others if one.beam_width > 1} == {1.5}
    wished = [one.decoding for one in evaluate_bundle(bundle, tmp_path, topic_weights=[0.0, 2.5])]
    assert own not in wished
    assert {one.topic_weight for one in wished if one.beam_width > 1} == {0, 2.5}


def test_topics_cannot_be_weighed_for_a_bundle_that_knows_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="tiny knows no topics: leave --topic-weight out"):
        evaluate_bundle(Path("tests/bundles/tiny"), tmp_path, topic_weights=[0.0, 1.5])


def test_a_bundle_that_would_not_be_served_is_not_scored(tmp_path: Path) -> None:
    bundle = shutil.copytree("tests/bundles/tiny", tmp_path / "tiny")
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest["decoding"]["topic_weight"] = 0.5
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match="knows no topics, and the manifest weighs them"):
        evaluate_bundle(bundle, tmp_path)


def test_a_way_of_decoding_outside_the_limits_is_refused() -> None:
    with pytest.raises(DecodingError, match="beam_width"):
        list_decodings([11])
    with pytest.raises(DecodingError, match="length_penalty"):
        list_decodings([1], [-0.5])
    with pytest.raises(DecodingError, match="topic_weight"):
        list_decodings([1], topic_weights=[-0.5])


def test_the_tables_have_a_line_for_each_way_of_decoding() -> None:
    lines = to_markdown([evaluation(3, 0.2034)]).splitlines()
    head, rule, line, blank, other_head, other_rule, other_line = lines
    assert head.count("|") == rule.count("|") == line.count("|")
    assert other_head.count("|") == other_rule.count("|") == other_line.count("|")
    assert not blank
    assert line == "| 3 | 0.7 | 0 | barred | 0.600 | 0.400 | 0.300 | 0.203 | 0.512 | 0 | 0 | 9.5 |"
    assert other_line == "| 3 | 0.7 | 0 | barred | 0.750 | 0.800 | 0.031 | 2 | 546 | 0.600 | 0.041 | 0.785 |"


def test_figures_that_cannot_be_had_leave_their_places_empty() -> None:
    some = evaluation(3, 0.2034)
    some = replace(some, decoding=replace(some.decoding, topic_weight=1.5))
    line = to_markdown([replace(some, sentences=replace(some.sentences, foreign=None), trust=None)]).splitlines()[-1]
    assert line == "| 3 | 0.7 | 1.5 | barred | 0.750 | 0.800 |  | 2 | 546 | 0.600 |  |  |"


def test_the_figures_come_as_json_without_the_captions() -> None:
    (figures,) = json.loads(to_json([evaluation(3, 0.2034)]))
    assert figures["decoding"]["beam_width"] == 3
    assert figures["scores"]["bleu"][3] == 0.2034
    assert figures["scores"]["cider"] == 0.512
    assert figures["sentences"]["distinct"] == 546
    assert figures["trust"]["calibration_error"] == 0.041
    assert set(figures) == {"decoding", "scores", "sentences", "trust"}
