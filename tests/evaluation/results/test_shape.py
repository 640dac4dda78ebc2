"""The measures of moved meshes: what nearness, readings and folds of a known motion come out as."""

import torch
from diffsfsr.evaluation.people import find_people
from diffsfsr.evaluation.results.shape import acted, read_person, words
from diffsfsr.models.appearance.shape import ShapeModel
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.network.checkpoint import ASSETS


def test_the_bundled_map_moves_faces_nearer_to_their_true_meshes_and_reads_as_wanted(face_mesh):
    people = [read_person(face_mesh, find_people() / name) for name in ("P002", "P008")]
    library = ExpressionLibrary.load(ASSETS / "expressions.json")
    codes = torch.stack([library.code(label) for label in library.labels[::27]])
    model = ShapeModel.load()
    rows = [*acted(model, face_mesh, people, 1), *words(model, face_mesh, people, library.neutral, codes, 1)]
    assert [len(row.change) for row in rows] == [30, 14, 10, 10]
    assert all(row.error < 0.55 for row in rows[:2]) and all(row.change.mean() > 0.85 for row in rows)
    assert all(row.word.min() > 0.5 for row in rows[2:]) and not any(row.folds for row in rows)
    model.response.zero_()
    errors = [row.error for row in acted(model, face_mesh, people[:1], 0)]
    assert all(0.9 < error < 1.05 for error in errors), errors  # but for a grin's lips, which meet without the map, too
