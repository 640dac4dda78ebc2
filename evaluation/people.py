"""openpeople's ten synthetic people, whom tests, the demo and the published numbers show; none was trained on."""

import csv
import importlib.util
import shutil
from pathlib import Path

LABELS = ("joy", "anger", "surprise", "sadness")


def find_people() -> Path:
    """The package's folder of people, P001 to P010; found without importing it."""
    package = importlib.util.find_spec("openpeople")
    if package is None or package.origin is None:
        raise FileNotFoundError("the synthetic people come with the package openpeople: run `pip install openpeople`")
    return Path(package.origin).parent / "data" / "curated"


def lay_out(folder: Path) -> int:
    """Write what `evaluate` takes: identities/ (selfies), backgrounds/ (portraits) and pairs.csv.

    Every selfie goes with every label into the portrait of the next person. Returns the number of pairs.
    """
    people = sorted(path for path in find_people().iterdir() if path.is_dir())
    for kind, picture in (("identities", "amateur_selfie.jpg"), ("backgrounds", "studio_portrait.jpg")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for person in people:
            shutil.copyfile(person / "assets" / picture, folder / kind / f"{person.name}.jpg")
    scenes = people[1:] + people[:1]
    rows = [(a.name, label, b.name) for a, b in zip(people, scenes, strict=True) for label in LABELS]
    with open(folder / "pairs.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("identity", "expression", "background"))
        writer.writerows((f"{a}.jpg", label, f"{b}.jpg") for a, label, b in rows)
    return len(rows)
