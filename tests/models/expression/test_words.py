import json
import subprocess
import sys
from pathlib import Path

import pytest
from diffsfsr.models.expression.labels import nearest, read_labels
from diffsfsr.models.expression.words import Words

ASSETS = Path(__file__).parents[3] / "assets"
PHRASES = json.loads((Path(__file__).parent / "phrases.json").read_text())["phrases"]
LABELS = read_labels(ASSETS / "expressions.json")


@pytest.fixture(scope="module")
def words():
    return Words.load(ASSETS / "synonyms.json", LABELS)


@pytest.fixture
def table(tmp_path):
    """The bundled table to be changed, and a function that writes and loads it."""
    content = json.loads((ASSETS / "synonyms.json").read_text())

    def load():
        path = tmp_path / "synonyms.json"
        path.write_text(json.dumps(content))
        return Words.load(path, LABELS)

    return content, load


def first(words, phrase, count=1):
    return [match.label for match in words.find(phrase)[:count]]


def test_the_phrases_that_were_written_first_are_found(words):
    found = [bool(set(first(words, phrase, 3)) & set(expected)) for phrase, expected, _ in PHRASES]
    assert len(found) == 60
    missed = [phrase for (phrase, _, _), hit in zip(PHRASES, found, strict=True) if not hit]
    assert len(missed) <= 3, missed
    for phrase, _, degree in PHRASES:
        assert words.find(phrase)[0].degree == degree, phrase


def test_every_label_finds_itself_first_at_full_score(words):
    for label in LABELS:
        match = words.find(label)[0]
        assert (match.label, match.score, match.degree) == (label, 1.0, 1.0)


def test_scores_fall_and_stay_within_bounds(words):
    for word in json.loads((ASSETS / "synonyms.json").read_text())["words"]:
        scores = [match.score for match in words.find(word)]
        assert scores == sorted(scores, reverse=True) and scores[-1] > 0 and scores[0] <= 1, word


@pytest.mark.parametrize(
    "phrase, degree",
    [
        ("a bit sad", 0.6),
        ("slightly sad", 0.5),
        ("a little bit sad", 0.5),
        ("barely sad", 0.3),
        ("sad", 1.0),
        ("very sad", 1.25),
        ("utterly sad", 1.5),
        ("very very sad", 1.5),
        ("Extremely SAD!!", 1.5),
        ("neutral", 0.0),
        ("poker face", 0.0),
    ],
)
def test_words_of_degree_are_the_intensity(words, phrase, degree):
    assert words.find(phrase)[0].degree == degree


@pytest.mark.parametrize(
    "phrase, label",
    [
        ("suprised", "surprise"),
        ("dissapointed", "disappointment"),
        ("melancolic", "melancholy"),
        ("Hapy", "happiness"),
        ("saddened", "sadness"),
        ("angrier", "anger"),
        ("eye-roll", "exasperation"),
        ("I can\u2019t wait!", "eagerness"),
        ("she looks really grumpy", "grumpiness"),
        ("not very happy", "unhappiness"),
    ],
)
def test_misspelt_inflected_and_wordy_phrases(words, phrase, label):
    assert first(words, phrase) == [label]


def test_two_words_give_the_labels_of_both(words):
    assert set(first(words, "sad and lonely", 2)) == {"sadness", "loneliness"}
    both = words.find("grief and sorrow")  # each is a label; nothing is surer
    assert {match.label: match.score for match in both} == {"grief": 1.0, "sorrow": 1.0}


def test_unknown_words_beside_known_ones_lower_the_score(words):
    assert words.find("smug cat")[0].label == words.find("smug")[0].label
    assert words.find("smug cat")[0].score < words.find("smug")[0].score


def test_a_misspelling_scores_less_than_the_word(words):
    assert words.find("anxius")[0].score < words.find("anxious")[0].score


@pytest.mark.parametrize("phrase", ["quokka", "banana", "table", "carrot", "orange", "very", "\u60b2\u3057\u3044"])
def test_an_unknown_word_names_the_nearest_five(words, phrase):
    with pytest.raises(ValueError, match=f'got "{phrase}", of which no word is known') as error:
        words.find(phrase)
    suggested = str(error.value).partition("spelling are ")[2].split(", ")
    assert len(suggested) == 5 and suggested == nearest(phrase, LABELS)


@pytest.mark.parametrize("phrase", ["", "  ", "?!"])
def test_nothing_is_refused(words, phrase):
    with pytest.raises(ValueError, match="want a word or a short phrase"):
        words.find(phrase)


def test_a_negation_is_refused_rather_than_taken_for_its_opposite(words):
    with pytest.raises(ValueError, match=r'"not sad": say what the face is to show, not what it is not to \("not"\)'):
        words.find("not sad")
    assert first(words, "not happy") == ["unhappiness"]  # the table has this one


def test_mistakes_in_the_table_are_named(table, tmp_path):
    content, load = table
    for change, message in [
        ({"words": {"smug": {"prid": 0.9}}}, 'got "prid": 0.9 for "smug"'),
        ({"words": {"smug": {"pride": 2}}}, 'got "pride": 2 for "smug"'),
        ({"words": {}, "degrees": {"very": 3}}, 'got 3 for "very"'),
        ({"format": 2}, "got the table of synonyms in format 2, want 1"),
    ]:
        content |= change
        with pytest.raises(ValueError, match=message):
            load()
    with pytest.raises(FileNotFoundError, match="no table of synonyms"):
        Words.load(tmp_path / "missing.json", LABELS)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match="broken.json as JSON .*want the table of synonyms"):
        Words.load(tmp_path / "broken.json", LABELS)


def test_words_are_found_without_torch():
    cli = Path(__file__).parents[3] / "cli.py"
    program = (
        f"import runpy, sys; runpy.run_path({str(cli)!r})\n"
        "from diffsfsr.models.expression.words import Words\n"
        f"assert Words.load({str(ASSETS / 'synonyms.json')!r}, {list(LABELS)!r}).find('joyful')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
