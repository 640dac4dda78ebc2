"""What a face does without an emotion, such as smile, wink or look left: words -> sliders and blendshapes (ours).

The table assets/actions.json has the words of each action and how far the face moves, by the names of the sliders
(models/expression/edit.py) and of the mesh's blendshapes. Without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..files import is_names, is_number, read_table, shown

FILE = "actions.json"  # beside the table of synonyms


@dataclass(frozen=True)
class Action:
    name: str
    words: tuple[str, ...]
    moves: Mapping[str, float]  # sliders, and blendshapes as the mesh reads them, at intensity 1; 0 keeps one still
    note: str = ""  # what cannot be shown of it


def read_actions(path: Path) -> dict[str, Action]:
    """Actions by name; ValueError names what is wrong in the table."""
    path = Path(path)
    table = read_table(path, "table of actions", {"format", "actions"})
    if not isinstance(table["actions"], dict):
        raise ValueError(f"got no actions in {path.name}, want an object of them")
    actions, taken = {}, {}
    for name, told in table["actions"].items():
        if not isinstance(told, dict) or not {"words", "moves"} <= set(told) <= {"words", "moves", "note"}:
            raise ValueError(f'got {shown(told)} for "{shown(name)}" in {path.name}, want words, moves, perhaps a note')
        moves = told["moves"]
        if not is_names(told["words"]) or not isinstance(moves, dict) or not isinstance(told.get("note", ""), str):
            raise ValueError(f'got words, moves or a note of "{shown(name)}" in {path.name} that are none')
        for move, value in moves.items():
            if not is_number(value, -1, 1):
                raise ValueError(f'got {shown(value)} for "{shown(move)}" of "{name}" in {path.name}, want -1 to 1')
        for word in told["words"]:
            if taken.setdefault(word, name) != name:
                raise ValueError(f'got "{shown(word)}" of {name} and of {taken[word]} in {path.name}, want one of them')
        actions[name] = Action(name, tuple(told["words"]), moves, told.get("note", ""))
    return actions
