"""Two fixed people for reference pictures of expressions, of different sex, age and ethnicity."""

from .hair import Hair
from .heads import Person

SHORT = (8.02, 7.98, 7.95, 7.55, 7.2, 7.4, 7.3, 6.95, 6.75, 6.7)
UNPAINTED = {
    "full_beard": (0.0,) * 4, "eyeshadow": (0.0,) * 3, "eyeshadow_strength": 0.0, "blush": 0.0, "moles": (0.0,) * 18,
    "brow_gap": 0.0,
}  # fmt: skip
PORTRAITS: dict[str, tuple[Person, Hair]] = {
    "ines": (Person(
        races=(0.75, 0.05, 0.2), sex=0.0, age=0.5, muscle=0.5, weight=0.45,
        dials={"eyes/eye-scale-incr": 0.4, "mouth/mouth-upperlip-volume-incr": 0.3, "chin/chin-width-incr": -0.4},
        look=UNPAINTED | {
            "skin_colour": (0.25, 0.125, 0.075), "lip_colour": (0.26, 0.085, 0.075), "iris_colour": (0.045, 0.02, 0.01),
            "brow_colour": (0.012, 0.008, 0.006), "redness": 0.25, "freckles": 0.0, "beard": 0.0, "eyeliner": 0.6,
            "lip_gloss": 0.8, "oiliness": 0.8, "unevenness": 0.12, "brow_shape": (0.0, 0.8, 1.3, 1.0), "wrinkles": 0.05,
            "under_eyes": 0.1, "lashes": 0.8,
        },
    ), Hair((0.02, 0.012, 0.008), SHORT, volume=0.3, hang_from=75, hang_to=6.0, curl=0.8, wave=0.05)),
    "anders": (Person(
        races=(0.0, 0.1, 0.9), sex=1.0, age=0.72, muscle=0.6, weight=0.5,
        dials={"nose/nose-hump-incr": 0.3, "chin/chin-width-incr": 0.3, "cheek/cheek-bones-incr": 0.3},
        look=UNPAINTED | {
            "skin_colour": (0.58, 0.36, 0.27), "lip_colour": (0.42, 0.18, 0.15), "iris_colour": (0.11, 0.2, 0.3),
            "brow_colour": (0.12, 0.075, 0.05), "redness": 0.7, "freckles": 0.2, "beard": 0.55, "eyeliner": 0.0,
            "lip_gloss": 0.2, "oiliness": 0.5, "unevenness": 0.2, "brow_shape": (-0.015, 1.2, 0.7, 1.0),
            "wrinkles": 0.5, "under_eyes": 0.3, "lashes": 0.3,
        },
    ), Hair((0.16, 0.1, 0.06), SHORT, origin=(40.0, 62.0), volume=0.2, edge=0.35)),
}  # fmt: skip
