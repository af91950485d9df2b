# SPDX-License-Identifier: Apache-2.0
"""Counting who was recognised: by hand, balanced, over stays, and how sure one may be."""

import numpy as np
import pytest

from calibration.train.lineup import Place
from calibration.train.recognised import Trial

GUESS = np.log(np.array([[0.7, 0.3], [0.3, 0.7]]))  # how an attacker says 0, and 1


def shown(persons, clips):
    return [Place(n, p, c, c) for n, (p, c) in enumerate(zip(persons, clips, strict=True))]


def judged(places, true, log_p, question="person"):
    trial = Trial(places, {question: np.array(true)})
    hits = trial.none()
    for draw in log_p:
        trial.add(hits, np.asarray(draw, np.float32), question)
    return trial, trial.figures(hits, question)


def test_every_person_counts_equally_however_often_seen():
    persons = [0] * 9 + [1]
    _, of = judged(shown(persons, range(10)), persons, [GUESS[[0] * 10]])
    assert of["window"] == pytest.approx(0.5)  # and not .9: always saying 0 is worth nothing


def test_every_answer_counts_equally_however_many_share_it():
    persons = [0, 1, 2, 3]
    coats = [0, 0, 0, 1]
    trial, of = judged(shown(persons, range(4)), coats, [GUESS[[0, 0, 0, 0]]], "clothing")
    assert of["window"] == pytest.approx(0.5)
    assert trial.answers_to("clothing") == 2


def test_a_stay_adds_up_what_its_windows_say():
    weak, strong = np.log([[0.6, 0.4]]), np.log([[0.05, 0.95]])
    said = np.vstack([weak, weak, strong, strong])
    places = shown([1, 1, 1, 0], [5, 5, 5, 6])
    _, of = judged(places, [1, 1, 1, 0], [said])
    assert of["window"] == pytest.approx((1 / 3 + 0) / 2)
    assert of["stay"] == pytest.approx((1 + 0) / 2)


def test_draws_are_averaged():
    _, of = judged(shown([0, 1], [0, 1]), [0, 1], [GUESS[[0, 1]], GUESS[[0, 0]]])
    assert of["window"] == pytest.approx(0.75)


def test_the_interval_is_over_moments_not_over_windows():
    random = np.random.default_rng(0)
    moments, each = 60, 30

    def width(right, clips):
        persons = np.arange(len(right)) // each % 2
        said = GUESS[np.where(right, persons, 1 - persons)]
        _, of = judged(shown(persons, clips), persons, [said])
        low, high = of["window_interval"]
        assert low < of["window"] < high
        return high - low

    whole = np.repeat(random.random(moments) < 0.5, each)  # a moment is read as a whole, or not
    together = width(whole, np.repeat(np.arange(moments), each))
    assert together == pytest.approx(2 * 1.96 * 0.5 / moments**0.5, rel=0.25)
    alone = width(whole, np.arange(moments * each))  # the control
    assert alone < 0.4 * together
