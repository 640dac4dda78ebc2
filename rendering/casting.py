"""Chance: who is drawn. All from a given random generator."""

import numpy as np
from numpy.random import Generator

from .glasses import Glasses
from .heads import Person

# colours are linear light
SKINS = np.array(
    [(0.70, 0.47, 0.38), (0.60, 0.37, 0.27), (0.45, 0.255, 0.165), (0.24, 0.122, 0.075), (0.085, 0.042, 0.027)]
)
HAIRS = np.array([
    (0.012, 0.009, 0.008), (0.03, 0.017, 0.01), (0.07, 0.036, 0.018), (0.16, 0.09, 0.045), (0.36, 0.23, 0.11),
    (0.19, 0.055, 0.018), (0.33, 0.32, 0.31), (0.6, 0.58, 0.55),
])  # black, dark brown, brown, light brown, blond, red, grey, white  # fmt: skip
IRISES = np.array([
    (0.035, 0.016, 0.008), (0.085, 0.04, 0.015), (0.13, 0.09, 0.035), (0.1, 0.13, 0.06), (0.09, 0.17, 0.27),
    (0.17, 0.2, 0.22),
])  # dark brown, brown, hazel, green, blue, grey  # fmt: skip
LIPSTICKS = np.array([(0.42, 0.02, 0.03), (0.5, 0.1, 0.14), (0.22, 0.02, 0.05), (0.5, 0.2, 0.15)])
BEARDS = ((1, 1, 1), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0.6, 1))  # density on the jaw, under the nose, on the chin
SPREAD = 0.023  # standard deviation of what a face modifier does to the vertex that it moves most, decimetres
OUTLINES = ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")  # of a head


def skin_tone(tone: float) -> np.ndarray:
    """(3,) linear colour of skin, 0 light .. 1 dark"""
    return np.array([np.interp(tone, np.linspace(0, 1, len(SKINS)), SKINS[:, k]) for k in range(3)])


def draw_tone(random: Generator) -> float:
    """How dark the skin of a group of people is, 0..1, see `skin_tone`"""
    return float(random.beta(0.9, 1.2))


def draw_person(random: Generator, effects: dict[str, float], tone: float) -> Person:
    """Someone whose skin is about as dark as `tone`; effects: of the face modifiers, see Heads.effects"""
    tone = float(np.clip(tone + random.normal(0, 0.03), 0, 1))
    leaning = np.array([0.02 + tone**1.5, 0.35 * (1 - abs(2 * tone - 0.6)), 1.05 - tone]).clip(0.02)
    races = random.dirichlet(leaning * 0.8) if random.random() < 0.8 else random.dirichlet((0.4, 0.4, 0.4))
    sex = float(np.clip(random.choice([0.04, 0.96]) + random.normal(0, 0.12), 0, 1))
    age = random.choice([0.3, 0.52, 0.68, 0.88], p=[0.08, 0.42, 0.3, 0.2]) + random.normal(0, 0.08)
    age = float(np.clip(age, 0.25, 1))
    old = greyness(age)
    dials = {name: float(np.clip(random.normal(0, min(0.6, SPREAD / size)), -1, 1)) for name, size in effects.items()}
    dials["mouth/mouth-scale-horiz-incr"] += 0.25  # photos have wider mouths than the average head
    dials[f"head/head-{random.choice(OUTLINES)}"] = random.uniform(0, 0.7)
    skin = skin_tone(tone) * np.exp(random.normal(0, (0.03, 0.04, 0.07)))
    hair = hair_colour(random, tone, old)
    return Person(
        races=tuple(races), sex=sex, age=age, muscle=float(random.beta(2, 2)), weight=float(random.beta(1.5, 1.5)),
        dials=dials,
        look=_skin(random, skin, tone, old) | _paint(random, skin, sex) | _brows_and_beard(random, skin, hair, sex),
        glasses=draw_glasses(random) if random.random() < 0.08 + 0.12 * old else None,
    )  # fmt: skip


def greyness(age: float) -> float:
    """0 up to middle age .. 1"""
    return max(0.0, age - 0.55) / 0.45


def _skin(random: Generator, skin: np.ndarray, tone: float, old: float) -> dict:
    moles = random.uniform((-0.55, 6.3, 0.004), (0.55, 7.9, 0.014), (6, 3))
    moles[random.random(6) > 0.4, 2] = 0
    iris = IRISES[random.choice(6, p=[0.45, 0.2, 0.1, 0.08, 0.12, 0.05] if tone < 0.5 else [0.85, 0.13, 0.02, 0, 0, 0])]
    return {
        "skin_colour": skin, "iris_colour": iris * np.exp(random.normal(0, 0.2, 3)), "moles": moles,
        "redness": random.uniform(0.1, 1.0) * (1 - 0.6 * tone), "oiliness": random.uniform(0.3, 1.0),
        "freckles": random.choice([0, random.uniform(0.4, 1.2)], p=[0.75, 0.25]) * (1 - tone),
        "unevenness": random.uniform(0.04, 0.14) + 0.12 * old, "under_eyes": random.uniform(0, 0.6),
        "wrinkles": 0.1 + 0.9 * old * random.uniform(0.5, 1),
    }  # fmt: skip


def _paint(random: Generator, skin: np.ndarray, sex: float) -> dict:
    """Lips, lashes and make-up"""
    made_up = float(sex < 0.5 and random.random() < 0.5)
    lips = skin * (1.0, 0.62, 0.62) * random.uniform(0.75, 1.1)
    if made_up and random.random() < 0.6:
        lips = lips + (LIPSTICKS[random.integers(len(LIPSTICKS))] - lips) * random.uniform(0.4, 1.0)
    return {
        "lip_colour": lips, "lip_gloss": random.uniform(0.1, 0.5) + made_up * random.uniform(0, 0.6),
        "eyeliner": made_up * random.uniform(0, 1), "eyeshadow": random.uniform(0.02, 0.35, 3),
        "eyeshadow_strength": made_up * random.uniform(0, 0.6), "blush": made_up * random.uniform(0, 0.5),
        "lashes": random.uniform(0.2, 0.6) if sex > 0.5 else random.uniform(0.4, 1.0),
    }  # fmt: skip


def _brows_and_beard(random: Generator, skin: np.ndarray, hair: np.ndarray, sex: float) -> dict:
    unshaven = random.random() if sex > 0.5 else 0.0
    grown = (*BEARDS[random.integers(len(BEARDS))], random.uniform(0.5, 1.0)) if unshaven > 0.7 else (0.0,) * 4
    thickness, arch = ((0.9, 1.7), (0.3, 1.3)) if sex > 0.5 else ((0.5, 1.2), (0.5, 2.0))
    shape = random.normal(0, 0.014), random.uniform(*thickness), random.uniform(*arch), random.uniform(0.7, 1.1)
    return {
        "brow_colour": np.minimum(0.6 * hair, 0.35 * skin) * random.uniform(0.4, 1.0) + 0.004, "brow_shape": shape,
        "brow_gap": max(random.normal(0.01, 0.018), -0.015), "full_beard": grown,
        "beard": np.interp(unshaven, [0, 0.4, 0.7, 1], [0, 0.5, 0.9, 0]),
    }  # fmt: skip


def draw_glasses(random: Generator) -> Glasses:
    metal = random.random() < 0.5
    colour = random.uniform(0.25, 0.6) * np.array([1, 0.85, 0.6]) if metal else random.uniform(0.005, 0.12, 3)
    width, height, roundness = random.uniform((0.23, 0.13, 2), (0.28, 0.22, 5))
    thickness = random.uniform(0.006, 0.010) if metal else random.uniform(0.012, 0.024)
    return Glasses(width, height, roundness, thickness, tuple(colour.tolist()), random.uniform(0.5, 3))


def hair_colour(random: Generator, tone: float, old: float) -> np.ndarray:
    natural = [0.3, 0.2, 0.17, 0.13, 0.14, 0.06, 0, 0] if tone < 0.4 else [0.75, 0.2, 0.05, 0, 0, 0, 0, 0]
    colour = HAIRS[random.choice(8, p=natural)]
    grey = np.clip(random.normal(1.6 * old - 0.5, 0.3), 0, 1)
    return (colour + grey * (HAIRS[6 + random.integers(2)] - colour)) * np.exp(random.normal(0, 0.15))
