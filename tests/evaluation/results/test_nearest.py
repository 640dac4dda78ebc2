from diffsfsr.evaluation.people import find_people
from diffsfsr.evaluation.results.nearest import nearest, pictures_in, table, training_faces
from diffsfsr.models.faces.mesh import FaceMesh
from diffsfsr.models.faces.task_file import find_task_file


def test_a_training_person_is_recognised_and_another_is_not(judges, prepared_people, tmp_path):
    people, codes = training_faces([prepared_people], judges)
    assert sorted(set(people)) == ["P001", "P002", "P003", "P005", "P006", "P009", "P010"]
    assert codes.shape == (len(people), 128)
    pictures = [find_people() / name / "assets" / "amateur_selfie.jpg" for name in ("P001", "P004")]
    trained, unknown = nearest(pictures, people, codes, FaceMesh.load(find_task_file()), judges)
    assert trained.person == "P001" and trained.distance < 0.6 and trained.distance < unknown.distance
    text = table([unknown, trained])
    assert text.index("amateur_selfie") and f"{trained.distance:.3f}" in text.splitlines()[2]


def test_pictures_are_files_and_those_of_folders(tmp_path):
    for name in ("b.png", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures_in([tmp_path, tmp_path / "b.png"])] == ["a.jpg", "b.png", "b.png"]
