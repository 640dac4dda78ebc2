import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffsfsr.models.codes import Expression
from diffsfsr.models.expression.edit import act
from diffsfsr.models.expression.labels import read_labels
from diffsfsr.models.expression.performance import perform
from diffsfsr.models.expression.words import Words
from diffsfsr.models.faces.mesh import BLENDSHAPES

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


@pytest.mark.parametrize("phrase", ["quokka", "banana", "table", "carrot", "orange", "very", "\u91cf\u5b50", "traurig"])
def test_an_unknown_word_names_the_nearest_and_what_else_there_is(words, phrase):
    with pytest.raises(ValueError, match=f'got "{phrase}", of which no word is known') as error:
        words.find(phrase)
    assert "understood in English, Chinese and Japanese, besides emoji" in str(error.value)
    suggested = str(error.value).partition("spelling are ")[2].partition(". There are actions, too: ")
    assert 1 <= len(suggested[0].split(", ")) <= 5 and "wink" in suggested[2].split(", ")


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


def meant(words, phrase):
    return [(each.what, each.degree) for each in words.read(phrase)]


@pytest.mark.parametrize(
    "phrase, parts",
    [
        ("neutral", [("neutral", 1)]),
        ("a smile", [("smile", 1)]),
        ("she winks", [("wink", 1)]),
        ("looking to the left", [("looking left", 1)]),
        ("mouth open", [("open mouth", 1)]),
        ("tongue out", [("tongue out", 1)]),
        ("angry but smiling", [("anger", 1), ("smile", 1)]),
        ("very angry but slightly smiling", [("anger", 1.25), ("smile", 0.5)]),
        ("happy but a bit worried", [("happiness", 1), ("worry", 0.6)]),
        ("happy as hell", [("happiness", 1.5)]),
        ("a bit angry, enraged", [("anger", 0.6)]),  # words that share a label are one
        ("\U0001f602\U0001f602", [("laugh", 1)]),
        ("\U0001f62e\u200d\U0001f4a8", [("relief", 1)]),  # a sequence of emoji is another emoji
        ("\u2764\ufe0f", [("love", 1)]),
        (":-)", [("smile", 1)]),
        ("mood:delight", [("delight", 1)]),  # no emoticon inside of a word
        ("\u6709\u70b9\u96be\u8fc7", [("sadness", 0.6)]),
        ("\u751f\u6c14\u4f46\u5fae\u7b11", [("anger", 1), ("smile", 1)]),
        ("\u5c11\u3057\u7167\u308c\u305f\u7b11\u9854", [("embarrassment", 0.6), ("smile", 1)]),
        ("\u60b2\u3057\u305d\u3046\u306a\u9854", [("sadness", 1)]),
        ("\u3059\u3054\u304f\u6012\u3063\u3066\u308b", [("anger", 1.25)]),
    ],
)
def test_emotions_actions_and_degrees_of_a_phrase(words, phrase, parts):
    assert meant(words, phrase) == parts


def test_phrases_are_read_as_they_are_found_but_for_actions(words):
    for phrase, expected, degree in PHRASES:
        read = words.read(phrase)
        assert read[0].action or {each.what for each in read} & set(expected), phrase
        assert read[0].degree == degree, phrase


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_each_label_has_one_name_in_each_language_and_is_found_by_it(words, language):
    names = {label: words.languages.labels[label][language] for label in LABELS}
    assert len(set(names.values())) == 135
    assert all(meant(words, name) == [(label, 1)] for label, name in names.items())


def test_every_term_of_another_language_means_what_its_english_means(words):
    table = json.loads((ASSETS / "languages.json").read_text("utf-8"))["terms"]
    connecting = {"", "and", "but", "not", "to the left", "to the right", "very", "extremely", "a bit", "slightly"}
    for terms in table.values():
        for term, english in terms.items():
            assert english in connecting or meant(words, term) == meant(words, english), term


def test_negations_in_other_languages_are_refused(words):
    for phrase in ("\u4e0d\u6015", "\u6012\u3063\u3066\u306a\u3044", "not smiling"):
        with pytest.raises(ValueError, match="say what the face is to show"):
            words.read(phrase)


def test_every_action_moves_the_face_and_says_what_it_cannot_show(words):
    rest = Expression(torch.zeros(1, 51), "neutral")
    for name, action in words.actions.items():
        assert act(rest, action.moves).code.any() == (name != "neutral"), name
    assert "tears" in words.actions["crying"].note and "tongue" in words.actions["tongue out"].note


def test_mistakes_in_the_tables_of_actions_and_languages_are_named(tmp_path):
    def load(file, change):
        for name in ("synonyms.json", "actions.json", "languages.json"):
            content = json.loads((ASSETS / name).read_text("utf-8"))
            if name == file:
                change(content)
            (tmp_path / name).write_text(json.dumps(content), "utf-8")
        Words.load(tmp_path / "synonyms.json", LABELS)

    for file, change, message in [
        ("actions.json", lambda t: t["actions"]["smile"]["moves"].update(smile=2), 'got 2 for "smile" of "smile"'),
        ("actions.json", lambda t: t["actions"]["smile"]["words"].append("wink"), 'got "wink" of wink and of smile'),
        ("languages.json", lambda t: t["terms"]["ja"].update({"\u7d76\u671b": "joy"}), 'got "joy" and "despair"'),
        ("languages.json", lambda t: t["labels"].pop("joy"), "got other labels"),
    ]:
        with pytest.raises(ValueError, match=message):
            load(file, change)


def test_a_smile_takes_an_angry_mouth_and_leaves_the_brows(words):
    angry = torch.zeros(1, 51)
    brow, smile, frown = (BLENDSHAPES.index(name) for name in ("browDownLeft", "mouthSmileLeft", "mouthFrownLeft"))
    angry[0, brow], angry[0, frown] = 0.5, 0.3

    def label(name, intensity):
        assert name == "anger"
        return Expression(angry * intensity, name)

    mixed = perform(words.read("angry but smiling"), label)
    assert mixed.name == "anger, smile" and mixed.code[0, brow] == 0.5
    assert mixed.code[0, smile] > 0.5 and mixed.code[0, frown] == 0
    half = perform(words.read("angry but smiling"), label, 0.5)
    torch.testing.assert_close(half.code[0, brow], torch.tensor(0.25))
    assert torch.equal(perform(words.read("anger"), label).code, angry)


def test_different_emotions_are_mixed_by_how_surely_they_are_meant(words):
    codes = {"happiness": torch.full((1, 51), 0.4), "worry": torch.full((1, 51), -0.2)}
    mixed = perform(words.read("happy but worried"), lambda name, k: Expression(codes[name] * k, name))
    torch.testing.assert_close(mixed.code, torch.full((1, 51), 0.1))


def test_words_are_found_without_torch():
    cli = Path(__file__).parents[3] / "cli.py"
    program = (
        f"import runpy, sys; runpy.run_path({str(cli)!r})\n"
        "from diffsfsr.models.expression.words import Words\n"
        f"assert Words.load({str(ASSETS / 'synonyms.json')!r}, {list(LABELS)!r}).read('joyful')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
