from diffsfsr.training.data import split
from diffsfsr.training.data.split import bundled_test_people, is_test_person, name_hash

PEOPLE = [f"person {i}" for i in range(2000)]


def test_one_in_ten_takes_no_part():
    assert 150 < sum(map(is_test_person, PEOPLE)) < 250


def test_who_it_is_depends_on_nobody_else():
    """A name added to a folder moves nobody from one side to the other."""
    tested = split.test_people(PEOPLE)
    assert tested == set(filter(is_test_person, PEOPLE))
    assert split.test_people(["Aaron", *PEOPLE]) - {"Aaron"} == tested
    assert split.test_people(PEOPLE[::2]) == tested & set(PEOPLE[::2])


def test_a_name_is_the_same_however_its_accents_are_written():
    assert name_hash("Jos\u00e9") == name_hash("Jose\u0301") != name_hash("Jose")


def test_the_bundled_weights_are_measured_on_their_own_test_people(monkeypatch):
    """They were trained on those whom only the hash calls test people."""
    listed, *others = PEOPLE[:50]
    monkeypatch.setattr(split, "bundled_test_people", lambda: frozenset({name_hash(listed)}))
    assert is_test_person(listed) and any(map(is_test_person, others))
    assert split.test_people(PEOPLE[:50]) == {listed}


def test_the_list_names_nobody():
    listed = bundled_test_people()
    assert len(listed) == 475 and all(len(each) == 16 and set(each) <= set("0123456789abcdef") for each in listed)
