"""What rendered faces do: facial actions by ARKit's names, drawn by chance around known expressions."""

from numpy.random import Generator

PAIRS = (  # with Left and Right
    "browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown",
    "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip
SINGLE = (
    "browInnerUp", "cheekPuff", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthFunnel", "mouthLeft",
    "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
)  # fmt: skip
KNOWN = (  # after the action units of EMFACS and of Du et al. 2014; smiles more than once, as on photos
    {"mouthSmile": 0.9, "cheekSquint": 0.7, "mouthUpperUp": 0.4, "eyeSquint": 0.4},
    {"mouthSmile": 1.0, "cheekSquint": 0.8, "jawOpen": 0.2, "mouthUpperUp": 0.7, "mouthLowerDown": 0.6},
    {
        "mouthSmile": 1.0,
        "cheekSquint": 0.8,
        "jawOpen": 0.25,
        "mouthUpperUp": 0.8,
        "mouthLowerDown": 0.8,
        "eyeSquint": 0.6,
    },
    {
        "mouthSmile": 1.0,
        "cheekSquint": 0.8,
        "jawOpen": 0.7,
        "mouthUpperUp": 0.7,
        "mouthLowerDown": 0.7,
        "eyeSquint": 0.7,
    },
    {"mouthSmile": 0.6},
    {"mouthSmile": 0.9, "mouthUpperUp": 0.9, "mouthLowerDown": 0.5, "jawOpen": 0.15},
    {"browDown": 1.0, "eyeSquint": 0.4, "mouthPress": 0.7, "noseSneer": 0.4},
    {"browDown": 1.0, "eyeWide": 0.6, "mouthUpperUp": 0.6, "mouthLowerDown": 0.8, "jawOpen": 0.4, "noseSneer": 0.7},
    {"browDown": 0.8, "eyeSquint": 0.5},
    {"browInnerUp": 1.0, "mouthFrown": 0.9, "mouthShrugLower": 0.6, "eyeSquint": 0.2},
    {"browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.9, "jawOpen": 0.7},
    {"browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.7},
    {"browInnerUp": 0.9, "eyeWide": 1.0, "mouthStretch": 0.9, "jawOpen": 0.3, "browOuterUp": 0.3},
    {"noseSneer": 1.0, "mouthUpperUp": 0.9, "browDown": 0.6, "eyeSquint": 0.6, "mouthFrown": 0.4},
    {"mouthSmileLeft": 0.8, "mouthDimpleLeft": 0.7, "cheekSquintLeft": 0.3},
    {"mouthSmileRight": 0.8, "mouthDimpleRight": 0.7, "cheekSquintRight": 0.3},
    {"mouthPucker": 0.9, "browInnerUp": 0.2},
    {"mouthFunnel": 0.9, "jawOpen": 0.3},
    {"jawOpen": 0.3, "mouthUpperUp": 0.2},
    {"jawOpen": 0.5, "mouthLowerDown": 0.7},
    {"jawOpen": 0.25, "mouthLowerDown": 0.9, "mouthStretch": 0.5},
    {"eyeBlink": 0.95},
    {"eyeBlinkLeft": 0.95, "cheekSquintLeft": 0.5, "mouthSmile": 0.4},
    {"eyeBlinkRight": 0.95, "cheekSquintRight": 0.5},
    {"mouthRollLower": 0.8, "mouthRollUpper": 0.8, "mouthPress": 0.4},
    {"jawOpen": 1.0, "mouthStretch": 0.3, "eyeSquint": 0.3},
    {"eyeSquint": 0.9, "browDown": 0.5},
    {"browOuterUpLeft": 1.0, "browDownRight": 0.5},
    {"browOuterUpRight": 1.0, "browDownLeft": 0.5},
)
SMILES = 6  # the first of them
MOST = {"jawOpen": 0.85}  # of an action, or the chin leaves the crop; 1.2 for all others


def draw_actions(random: Generator) -> dict[str, float]:
    """Every sixth face is nearly still; most others mix a known expression with a few single actions; eyes wander."""
    actions: dict[str, float] = {}

    def add(name: str, value: float) -> None:
        both = [name + side for side in ("Left", "Right")] if name in PAIRS else [name]
        for each in both:
            actions[each] = actions.get(each, 0) + value * (random.uniform(0.75, 1.0) if len(both) == 2 else 1)

    if random.random() > 1 / 6:
        if random.random() < 0.75:
            strength = random.uniform(0.35, 1.15)
            known = KNOWN[random.integers(SMILES if random.random() < 0.33 else len(KNOWN))]
            for name, value in known.items():
                add(name, value * strength * random.uniform(0.6, 1.15))
        for _ in range(random.integers(0, 4)):
            names = PAIRS if random.random() < 0.6 else SINGLE
            name = names[random.integers(len(names))]
            if names is PAIRS and random.random() < 0.2:
                name += ("Left", "Right")[random.integers(2)]
            add(name, random.uniform(0.2, 1.0))
    add("eyeBlink", random.uniform(0, 0.2))
    x, y = random.normal((0, 0.1), (0.35, 0.2)) if random.random() < 0.6 else random.uniform(-1.2, 1.2, 2)
    actions |= gaze(x, y)
    return {name: float(min(value, MOST.get(name, 1.2))) for name, value in actions.items()}


def gaze(x: float, y: float) -> dict[str, float]:
    """Eyes turned to the picture's right (x > 0) and up (y > 0), -1..1"""
    across = ("eyeLookOutLeft", "eyeLookInRight") if x > 0 else ("eyeLookInLeft", "eyeLookOutRight")
    down = ("eyeLookUpLeft", "eyeLookUpRight") if y > 0 else ("eyeLookDownLeft", "eyeLookDownRight")
    return {name: abs(x) for name in across} | {name: abs(y) for name in down}
