"""Chance: where someone is seen. All from a given random generator."""

import numpy as np
from numpy.random import Generator

from .casting import greyness, hair_colour
from .hair import Hair
from .heads import Person
from .scenes import Camera, Scene, direction

HAIRCUTS = ("short", "long", "bob", "tied", "afro", "bald", "buzz", "cap")
WALLS = np.array([
    (0.9, 0.88, 0.85), (0.02, 0.02, 0.025), (0.45, 0.36, 0.26), (0.16, 0.26, 0.42), (0.2, 0.27, 0.16),
    (0.35, 0.36, 0.38), (0.45, 0.16, 0.12),
])  # fmt: skip


def draw_hair(random: Generator, tone: float, sex: float, age: float) -> Hair | None:
    """tone: of the skin, 0 light .. 1 dark; sex and age as in Person. None: bald"""
    man, old = sex > 0.5, greyness(age)
    front = random.normal(8.0, 0.06) + (0.12 * old if man else 0)
    recede = (random.uniform(0, 0.3) * (0.3 + old)) if man else 0.0
    side = random.uniform(6.95, 7.35) if man else random.uniform(7.15, 7.4)
    line = (front, front + 0.3 * recede, front - 0.06 + recede, 7.62, side, 7.42, 7.35, 7.0, 6.75, 6.65)
    colour = tuple(hair_colour(random, tone, old).tolist())
    odds = [0.46, 0.05, 0.04, 0.03, 0.08, 0.1, 0.16, 0.08] if man else [0.14, 0.36, 0.16, 0.12, 0.08, 0.01, 0.04, 0.09]
    kind = random.choice(HAIRCUTS, p=odds)
    parting = random.choice([-1, 1]) * random.uniform(10, 60), random.uniform(52, 75)
    parting = parting if random.random() < 0.7 else (180.0, 65.0)
    fringe = random.uniform(0.1, 0.42) if random.random() < 0.35 else 0.0
    curl = random.uniform(0.3, 0.9) if random.random() < 0.3 else 0.0
    gloss = random.uniform(0.4, 1.5)
    if kind == "bald":
        return None
    if kind == "buzz":
        return Hair(
            colour, line, volume=0.035, edge=1.0, density=random.uniform(0.3, 0.8), layers=2, gloss=0.3, curl=0.8
        )
    if kind == "cap":
        low = random.uniform(7.68, 7.95)
        line = (low, low, low - 0.03, low - 0.08, low - 0.2, low - 0.4, low - 0.5, 7.0, 6.85, 6.8)
        return Hair(tuple(random.uniform(0.01, 0.5, 3) ** 1.3), line, volume=0.12, edge=0.75, cloth=True, layers=2)
    if kind == "afro":
        return Hair(
            colour, line, volume=random.uniform(0.12, 0.6), edge=0.55, curl=1.0, gloss=0.3, density=1.5, layers=5
        )
    if kind == "short":
        return Hair(
            colour, line, parting, random.uniform(0.1, 0.3), random.uniform(0.25, 0.6), fringe, curl=curl, gloss=gloss
        )
    if kind == "tied":
        return Hair(colour, line, (180.0, 40.0), random.uniform(0.05, 0.12), 0.5, gloss=gloss, curl=0.3 * curl)
    volume, edge, hang_from, wave = random.uniform((0.14, 0.3, 58, 0), (0.32, 0.6, 115, 0.06))
    hang_to = random.uniform(6.2, 6.7) if kind == "bob" else random.uniform(4.8, 6.0)
    return Hair(colour, line, parting, volume, edge, fringe, hang_from, hang_to, wave, curl, gloss=gloss)


def draw_scene(random: Generator, tone: float, body: Person) -> Scene:
    warmth = np.exp(np.outer(0.07 + random.normal(0, (0.09, 0.11, 0.11, 0.13)), (1, 0.1, -1)))  # key, fill, sky, ground
    contrast = random.beta(1.8, 1.2)
    key = 0.5 + 1.6 * contrast
    ambient = 1.0 - 0.75 * contrast
    turn = random.normal(0, 45)
    yaw, pitch, roll = np.clip(random.normal((0, 2, 0), (14, 7, 5)), (-35, -20, -15), (35, 20, 15))
    return Scene(
        float(yaw), float(pitch), float(roll), distance=np.exp(random.uniform(np.log(6), np.log(24))),
        hair=draw_hair(random, tone, body.sex, body.age), seed=int(random.integers(1 << 31)),
        backdrop=draw_backdrop(random), camera=draw_camera(random),
        look={
            "key_direction": direction(turn, random.uniform(-5, 60)), "key_colour": key * warmth[0],
            "key_softness": random.uniform(0, 1),
            "fill_direction": direction(-turn + random.normal(0, 30), random.normal(5, 15)),
            "fill_colour": random.uniform(0.05, 0.5) * warmth[1],
            "rim_direction": direction(random.choice([-1, 1]) * random.uniform(110, 160), random.uniform(0, 50)),
            "rim_colour": random.choice([0, random.uniform(0.2, 1.2)]) * warmth[1],
            "sky_colour": ambient * random.uniform(0.45, 0.8) * warmth[2],
            "ground_colour": ambient * random.uniform(0.15, 0.5) * warmth[3],
            **draw_clothes(random),
            "neckline": random.uniform(-0.1, 0.5), "exposure": np.exp(random.normal(-0.05 + 0.15 * tone, 0.17)),
            "saturation": random.uniform(0.75, 1.2), "contrast": random.uniform(0.95, 1.2),
        },
    )  # fmt: skip


def draw_camera(random: Generator) -> Camera:
    blur = random.choice([0, random.uniform(0.4, 1.8)])
    return Camera(float(blur), random.uniform(0, 0.03), int(random.integers(1 << 31)))


def draw_clothes(random: Generator) -> dict[str, np.ndarray]:
    grey = np.full(3, float(random.choice([random.uniform(0.01, 0.06), random.uniform(0.06, 0.8)])))
    colour = random.uniform(0.02, 0.7, 3) ** 1.6
    colour = grey if random.random() < 0.45 else colour + random.uniform(0.2, 0.8) * (colour.mean() - colour)
    white = random.uniform(0.6, 0.9) * np.array([1, 0.98, 0.95])
    collar = white if random.random() < 0.35 else colour
    return {"clothes_colour": colour, "collar_colour": collar}


def draw_backdrop(random: Generator) -> np.ndarray:
    """(24, 24, 3) a room out of focus: a gradient between two colours of WALLS, and soft rectangles"""
    y, x = np.mgrid[0:24, 0:24] / 23
    colours = WALLS[random.integers(len(WALLS), size=4)] * random.uniform(0.6, 1.1, (4, 1))
    colours = (colours + random.normal(0, 0.04, (4, 3))).clip(0, 1)
    angle = random.uniform(0, 2 * np.pi)
    ramp = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[..., None]
    picture = colours[0] * ramp + colours[1] * (1 - ramp)
    for _ in range(random.integers(0, 7)):
        left, top, width, height, blur = random.uniform((-0.2, -0.2, 0.08, 0.08, 0.02), (0.9, 0.9, 0.6, 0.6, 0.08))
        depth = np.minimum.reduce([x - left, left + width - x, y - top, top + height - y])  # inside the rectangle
        cover = 0.8 / (1 + np.exp(-depth / blur))[..., None]
        picture = picture + cover * (colours[random.integers(4)] * random.uniform(0.5, 1.4) - picture)
    return picture.clip(0, 1).astype(np.float32)
