"""Which of the faces in a picture is meant: the inputs that ask for it."""

from comfy_api.latest import io

BY_NUMBER = "from the left"


def face_inputs(several: bool = False) -> list[io.Input]:
    """Inputs `face` and `face_number`. several: "all" can be chosen too"""
    return [
        io.Combo.Input(
            "face",
            options=["largest", "centre", BY_NUMBER] + ["all"] * several,
            default="largest",
            tooltip="Which face, where there are several: the largest, the one nearest to the middle of the picture, "
            'or one counted from the left by "face_number"' + (", or all of them." if several else "."),
        ),
        io.Int.Input(
            "face_number",
            default=0,
            min=0,
            max=99,
            tooltip=f'0 is the leftmost face, 1 the next. Read only if "face" is "{BY_NUMBER}".',
        ),
    ]


def chosen(face: str, face_number: int) -> str:
    """The choice as models/encoders.py wants it, which refuses what it does not know."""
    return str(face_number) if face == BY_NUMBER else face
