"""Drawing heads with OpenGL: moderngl on EGL, which needs no screen and falls back to the processor (llvmpipe)."""

from pathlib import Path

import numpy as np

from . import paint
from .head_basis import LASH, MISSING, SKIN, HeadBasis

SHADERS = Path(__file__).with_name("shaders")
SHADOW_SIDE = 256  # texels
REACH = 2.6  # decimetres around the head's centre that the lamp's shadow covers
MATRICES = ("view", "light_view", "rotation")
CENTRE = np.array([0.0, 7.2, 0.5], np.float32)


def open_context():
    """An OpenGL context without a window. ImportError says what to install."""
    try:
        import moderngl
    except ImportError as error:
        raise ImportError(MISSING) from error
    try:
        return moderngl.create_context(standalone=True, backend="egl", require=330)
    except Exception as error:  # glcontext raises bare Exception
        raise ImportError(
            f"got no OpenGL 3.3 context from EGL ({error}); on Debian or Ubuntu run "
            "`apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri`, elsewhere install Mesa with EGL"
        ) from error


class Renderer:
    """Draws squares of up to `side` pixels, without anti-aliasing: draw larger and shrink."""

    def __init__(self, basis: HeadBasis, facial: np.ndarray, normals: np.ndarray, side: int):
        self.context = context = open_context()
        self.parts = [self._program("head.vert", "head.frag", part) for part in range(3)]
        self.shadow = self._program("shadow.vert", "shadow.frag")
        self._positions = context.buffer(reserve=basis.base.nbytes, dynamic=True)
        self._normals = context.buffer(reserve=basis.base.nbytes, dynamic=True)
        self._openness = context.buffer(reserve=4 * len(basis.base))
        turned = np.clip((basis.base[:, 1] - 5.7) / 0.8, 0, 1)
        turned = (turned * turned * (3 - 2 * turned)).astype(np.float32)
        fixed = [
            (context.buffer(np.ascontiguousarray(basis.base)), "3f", "canonical"),
            (context.buffer(np.ascontiguousarray(basis.uv)), "2f", "uv"),
            (context.buffer(basis.part.astype(np.float32)), "1f", "part"),
            (self._openness, "1f", "occlusion"),
            (context.buffer(turned), "1f", "turned"),
            (context.buffer(facial), "1f", "face"),
        ]
        triangles = context.buffer(np.ascontiguousarray(basis.triangles))
        moving = [(self._positions, "3f", "position"), (self._normals, "3f", "normal")]
        lash = basis.part[basis.triangles[:, 0]] == LASH
        inner = (basis.part[basis.triangles[:, 0]] > SKIN) & ~lash
        both_sides = np.concatenate([basis.triangles[lash], basis.triangles[lash][:, ::-1]])
        shares = basis.triangles[~lash & ~inner], basis.triangles[inner], both_sides
        self._head = [
            context.vertex_array(
                program, self._used(program, moving + fixed), context.buffer(np.ascontiguousarray(share))
            )
            for program, share in zip(self.parts, shares, strict=True)
        ]
        self._caster = context.vertex_array(self.shadow, self._used(self.shadow, moving + fixed), triangles)
        self._wall = context.vertex_array(self._program("wall.vert", "wall.frag"), [])
        self.hair = self._program("hair.vert", "hair.frag")
        self.hair_shadow = self._program("hair.vert", "hair_shadow.frag")
        self.glasses = self._program("hair.vert", "glasses.frag")
        self._hair: list = []  # vertex arrays to draw and for the shadow, then their buffers
        self._glasses: list = []
        self._depth = context.depth_texture((SHADOW_SIDE, SHADOW_SIDE))
        self._depth.compare_func = "<="
        self._shadow_buffer = context.framebuffer(depth_attachment=self._depth)
        context.enable_only(context.DEPTH_TEST)
        self._openness.write(self._open_sky(basis, normals))
        self._buffer = context.simple_framebuffer((side, side), components=4)
        maps = {
            "masks": np.moveaxis(basis.masks, 0, -1), "noise": noise_texture(256), "tints": paint.tints(),
            "whiskers": paint.whiskers(),
        }  # fmt: skip
        self._maps = {name: self._texture(values, tiles=name == "noise") for name, values in maps.items()}
        self._folds = paint.folds()
        self._maps["folds"] = context.texture(self._folds.shape[1::-1], 2, alignment=1)
        self._maps["folds"].repeat_x = self._maps["folds"].repeat_y = False

    def _texture(self, values: np.ndarray, tiles: bool):
        """values: (rows from the bottom, columns, channels) 0..1"""
        data = np.ascontiguousarray((255 * values).round().astype(np.uint8))
        texture = self.context.texture(values.shape[1::-1], values.shape[2], data.tobytes(), alignment=1)
        texture.repeat_x = texture.repeat_y = tiles
        texture.build_mipmaps()
        texture.filter = self.context.LINEAR_MIPMAP_NEAREST, self.context.LINEAR
        return texture

    def _open_sky(self, basis: HeadBasis, normals: np.ndarray, directions: int = 64) -> np.ndarray:
        """(N,) float32 how much of the light from all around reaches each vertex of the average head, 0..1"""
        self._positions.write(np.ascontiguousarray(basis.base))
        steps = np.arange(directions) + 0.5  # a spiral of evenly spread directions
        height, turn = 1 - 2 * steps / directions, np.pi * (1 + 5**0.5) * steps
        around = np.sqrt(1 - height**2)
        lit, all_light = np.zeros(len(basis.base)), 1e-6
        for towards in np.stack([around * np.cos(turn), height, around * np.sin(turn)], 1):
            view = light_view(towards)
            self._set(self.shadow, {"light_view": view, "rotation": np.eye(3), "pivot": np.zeros(3)})
            self._shadow_buffer.use()
            self._shadow_buffer.clear()
            self._caster.render()
            depth = np.frombuffer(self._depth.read(alignment=1), np.float32).reshape(SHADOW_SIDE, SHADOW_SIDE)
            at = (basis.base + 0.02 * normals) @ view[:3, :3].T + view[:3, 3]
            x, y = ((0.5 + 0.5 * at[:, :2]) * SHADOW_SIDE).astype(int).clip(0, SHADOW_SIDE - 1).T
            weight = (normals @ towards).clip(0)
            lit += weight * (0.5 + 0.5 * at[:, 2] <= depth[y, x] + 0.002)
            all_light = all_light + weight
        return (lit / all_light).astype(np.float32)

    def _program(self, vertex: str, fragment: str, part: int = 0):
        source = (SHADERS / fragment).read_text().replace("#include light", (SHADERS / "light.glsl").read_text())
        source = source.replace("#version 330", f"#version 330\n#define PART {part}")
        return self.context.program((SHADERS / vertex).read_text(), source)

    @staticmethod
    def _used(program, buffers):
        return [(buffer, layout, name) for buffer, layout, name in buffers if name in program]

    def draw(
        self,
        head: np.ndarray,
        normals: np.ndarray,
        folds: np.ndarray,
        uniforms: dict,
        background: np.ndarray,
        side: int,
    ) -> np.ndarray:
        """A picture of `side` pixels, at most those that the renderer was made for.

        head, normals  (N, 3)
        folds          (5,) how deep the skin folds, see paint.py
        uniforms       of the shaders
        background     (h, w, 3) 0..1
        returns        (side, side, 3) uint8, rows from the top
        """
        slopes = np.clip(128 + 64 * (self._folds @ folds.astype(np.float32)), 0, 255)
        self._maps["folds"].write(slopes.round().astype(np.uint8).tobytes())
        self._positions.write(np.ascontiguousarray(head, np.float32))
        self._normals.write(np.ascontiguousarray(normals, np.float32))
        uniforms = uniforms | {"light_view": light_view(uniforms["key_direction"])}
        context = self.context
        self._set(self.shadow, uniforms)
        self._set(self.hair_shadow, uniforms | {"view": uniforms["light_view"]})
        self._shadow_buffer.use()
        self._shadow_buffer.clear()
        context.enable_only(context.DEPTH_TEST | context.CULL_FACE)
        self._caster.render()
        if self._hair:
            self._hair[1].render()
        self._buffer.viewport = (0, 0, side, side)
        self._buffer.use()
        self._buffer.clear()
        self._draw_background(background)
        self._depth.use(0)
        for place, texture in enumerate(self._maps.values(), 1):
            texture.use(place)
        uniforms |= {"shadow_map": 0} | {name: place for place, name in enumerate(self._maps, 1)}
        context.enable(context.BLEND)
        for program, share in zip(self.parts, self._head, strict=True):
            self._set(program, uniforms)
            share.render()
        if self._glasses:
            self._set(self.glasses, uniforms)
            self._glasses[0].render()
        if self._hair:
            self._set(self.hair, uniforms)
            context.disable(context.CULL_FACE)
            self._hair[0].render()
        context.disable(context.BLEND)
        pixels = self._buffer.read(viewport=(0, 0, side, side), components=3, alignment=1)
        return np.frombuffer(pixels, np.uint8).reshape(side, side, 3)[::-1]

    def set_hair(self, hair: dict[str, np.ndarray] | None, triangles: np.ndarray | None = None) -> None:
        """What HairDresser.grow made, or None for no hair; stays until it is set anew."""
        self._hair = self._replace(self._hair, [self.hair, self.hair_shadow], hair, triangles)

    def set_glasses(self, glasses: dict[str, np.ndarray] | None, triangles: np.ndarray | None = None) -> None:
        """What glasses.fit made, or None; stays until it is set anew."""
        self._glasses = self._replace(self._glasses, [self.glasses], glasses, triangles)

    def _replace(self, old: list, programs: list, mesh: dict[str, np.ndarray] | None, triangles: np.ndarray | None):
        """Vertex arrays of a mesh, one for each program; the old ones' memory is given back."""
        for each in old:
            each.release()
        if mesh is None:
            return []
        buffers = [(self.context.buffer(np.ascontiguousarray(mesh[name])), "3f", name) for name in mesh]
        index = self.context.buffer(triangles)
        arrays = [self.context.vertex_array(program, self._used(program, buffers), index) for program in programs]
        return arrays + [index] + [buffer for buffer, *_ in buffers]

    def _draw_background(self, background: np.ndarray) -> None:
        texture = self.context.texture(background.shape[1::-1], 3, background.astype(np.float32).tobytes(), dtype="f4")
        texture.repeat_x = texture.repeat_y = False
        texture.use(0)
        self.context.disable(self.context.DEPTH_TEST)
        self._wall.render(vertices=3)
        self.context.enable(self.context.DEPTH_TEST)
        texture.release()

    @staticmethod
    def _set(program, uniforms: dict) -> None:
        for name, value in uniforms.items():
            if name not in program:
                continue
            if np.ndim(value):  # matrices are written column after column
                value = np.asarray(value, np.float32)
                program[name].write(np.ascontiguousarray(value.T if name in MATRICES else value))
            else:
                program[name].value = value


def light_view(direction) -> np.ndarray:
    """(4, 4) the lamp's orthographic view of the head"""
    z = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    x = np.cross((0, 1, 0) if abs(z[1]) < 0.95 else (0, 0, 1), z)
    x /= np.linalg.norm(x)
    axes = np.stack([x, np.cross(z, x), -z]) / REACH
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = -axes @ CENTRE
    return matrix.astype(np.float32)


def noise_texture(side: int) -> np.ndarray:
    """(side, side, 4), tiles: clouds, spots, hairs along y, grain; each spread evenly over 0..1"""
    random = np.random.default_rng(0)
    fy, fx = np.meshgrid(np.fft.fftfreq(side) * side, np.fft.fftfreq(side) * side, indexing="ij")
    f = np.hypot(fx, fy)
    filters = (
        1 / np.maximum(f, 2) ** 1.5,
        np.exp(-(((f - 24) / 8) ** 2)),
        np.exp(-(((np.abs(fx) - 40) / 25) ** 2) - (fy / 5) ** 2),
        np.exp(-((f / 90) ** 2)),
    )
    planes = []
    for each in filters:
        plane = np.fft.ifft2(np.fft.fft2(random.standard_normal((side, side))) * each).real.ravel()
        planes.append(np.argsort(np.argsort(plane)) / plane.size)
    return np.stack(planes, -1).reshape(side, side, 4)
