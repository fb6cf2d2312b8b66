"""A picture of coloured meshes on a white floor, by casting rays on the CPU; no display is needed.

One lamp with soft shadows, light from all of the sky, and what both leave of it on the floor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter, map_coordinates

from apg_core.geometry.picture.colours import Colour
from apg_core.geometry.rays import RayScene, ray_scene
from apg_core.geometry.shading import corner_normals
from apg_core.geometry.texels import colours_at
from apg_core.protocol.appearance import Appearance, Material, joined_looks, linear_rgba, srgb
from apg_core.protocol.mesh import TriangleMesh

# The camera: seen from the front right and a little above, from far enough away to look calm.
_TURN, _RISE, _DISTANCE = np.radians(30.0), np.radians(20.0), 7.0
_MARGIN = 0.09  # of the picture's width, on every side
_LAMP = (np.array([-0.35, 0.80, 0.60]) / np.linalg.norm([-0.35, 0.80, 0.60])).astype(np.float32)
_LAMP_SIZE = 0.12  # sideways, per unit of distance; the softness of shadows
_LAMP_STRENGTH, _SKY_STRENGTH, _FLOOR_LIGHT = 0.66, 0.50, 0.55
_LAMP_RAYS, _SKY_RAYS, _EDGE_SAMPLES = 4, 8, 6
_UNLIKE = 0.02  # linear; colours of neighbouring pixels that differ by more have an edge between them
_FLOOR_CELLS, _FLOOR_REACH = 112, 1.9  # the second in half diagonals of the meshes' box
_FLOOR_RAYS, _FLOOR_SHADE, _FLOOR_LAMP_SHADE = 32, 0.30, 0.22
_HAIR = 3e-5  # of the largest mesh; rays in single precision tell it apart, eyes do not
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
_PLASTIC = 1.32471795724474602596  # its powers spread points evenly over a square (Roberts 2018, the R2 sequence)


def cast_picture(meshes: Sequence[TriangleMesh], colours: Sequence[Colour], *, size: int) -> Float[np.ndarray, "H W 3"]:
    """A square picture of the meshes, framed to fit, in sRGB from 0 to 1.

    A mesh with a look of its own has that instead of its colour. Where meshes share a surface, the first one shows.
    """
    stage = _Stage.of(meshes, colours)
    camera = _Camera.around(stage.vertices)
    random = np.random.default_rng(0)
    across, down = (axis.reshape(-1) for axis in np.meshgrid(np.arange(size), np.arange(size)))
    hits = stage.trace(*camera.rays(across + 0.5, down + 0.5, size))
    light = _smoothed(stage.light(hits, random), hits, size)
    picture = stage.colour(hits, light)
    edge = np.flatnonzero(_edges(hits, size))
    fine = np.zeros((len(edge), 3), np.float32)
    for place in range(_EDGE_SAMPLES):
        # The same places in every pixel: edges come out even, where random ones look frayed.
        shift = (place / _PLASTIC) % 1, (place / _PLASTIC**2) % 1
        some = stage.trace(*camera.rays(across[edge] + shift[0], down[edge] + shift[1], size))
        fine += stage.colour(some, stage.light(some, random, share=4))
    picture[edge] = fine / _EDGE_SAMPLES
    return srgb(1 - (1 - picture) * _vignette(across, down, size)[:, None]).reshape(size, size, 3)


@dataclass(frozen=True, slots=True)
class _Camera:
    eye: Float[np.ndarray, " 3"]
    axes: Float[np.ndarray, "3 3"]
    """Right, up, and towards the viewer."""
    corner: Float[np.ndarray, "2"]
    """Of the picture's window, top left, one unit of length in front of the eye."""
    width: float

    @classmethod
    def around(cls, vertices: Float[np.ndarray, "V 3"]) -> "_Camera":
        back = np.array([np.cos(_RISE) * np.sin(_TURN), np.sin(_RISE), np.cos(_RISE) * np.cos(_TURN)])
        right = np.array([np.cos(_TURN), 0.0, -np.sin(_TURN)])
        axes = np.stack([right, np.cross(back, right), back])
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        eye = (low + high) / 2 + back * _DISTANCE * np.linalg.norm(high - low) / 2
        seen = (vertices - eye) @ axes.T
        seen = seen[:, :2] / -seen[:, 2:]
        low, high = seen.min(axis=0), seen.max(axis=0)
        width = float((high - low).max() / (1 - 2 * _MARGIN))
        middle = (low + high) / 2
        return cls(eye, axes, np.array([middle[0] - width / 2, middle[1] + width / 2]), width)

    def rays(
        self, across: Float[np.ndarray, " Q"], down: Float[np.ndarray, " Q"], size: int
    ) -> tuple[Float[np.ndarray, "Q 3"], Float[np.ndarray, "Q 3"]]:
        """Origins and unit directions through these places of a picture of `size` pixels."""
        right = self.corner[0] + across / size * self.width
        up = self.corner[1] - down / size * self.width
        directions = np.stack([right, up, -np.ones_like(right)], axis=1) @ self.axes
        directions /= np.sqrt(_dot(directions, directions))[:, None]
        return np.broadcast_to(self.eye, directions.shape).astype(np.float32), directions.astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Hits:
    """Where rays end: on a face (`part` >= 0), else on the floor or beyond it."""

    places: Float[np.ndarray, "Q 3"]
    normals: Float[np.ndarray, "Q 3"]
    part: Int[np.ndarray, " Q"]
    paint: Float[np.ndarray, "Q 3"]
    """Colour of the face there, linear."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """The meshes as one thing to cast rays at, their looks, and the floor below them."""

    scene: RayScene
    vertices: Float[np.ndarray, "V 3"]
    corner_normals: Float[np.ndarray, "F 3 3"]
    part_of_face: Int[np.ndarray, " F"]
    look: Appearance
    reach: float
    floor: Float[np.ndarray, "n n"]
    """Share of its white that each cell of the floor around the meshes loses to their shadow."""

    @classmethod
    def of(cls, meshes: Sequence[TriangleMesh], colours: Sequence[Colour]) -> "_Stage":
        normals = [corner_normals(mesh).astype(np.float32) for mesh in meshes]
        joined = TriangleMesh.joined(_nested(meshes, normals))
        vertices = joined.vertices.astype(np.float32)
        scene = ray_scene(joined)
        parts = np.repeat(np.arange(len(meshes)), [len(mesh.faces) for mesh in meshes])
        both = zip(meshes, colours, strict=True)
        look = joined_looks([(mesh.look or _plain(mesh, colour), len(mesh.faces)) for mesh, colour in both])
        assert look is not None
        reach = float(np.linalg.norm(np.ptp(vertices, axis=0)) / 2)
        bare = cls(scene, vertices, np.concatenate(normals), parts, look, reach, np.zeros((0, 0), np.float32))
        return replace(bare, floor=bare._floor_shade())

    def trace(self, origins: Float[np.ndarray, "Q 3"], directions: Float[np.ndarray, "Q 3"]) -> _Hits:
        found = self.scene.first(origins, directions)
        hit = found.face >= 0
        face, u, v = found.face[hit], found.u[hit, None], found.v[hit, None]
        corners = self.corner_normals[face]
        smooth = (1 - u - v) * corners[:, 0] + u * corners[:, 1] + v * corners[:, 2]
        smooth /= np.maximum(np.sqrt(_dot(smooth, smooth)), 1e-12)[:, None]
        smooth[_dot(smooth, directions[hit]) > 0] *= -1
        normals, paint = np.zeros((2, len(hit), 3), np.float32)
        normals[hit] = smooth
        paint[hit] = colours_at(self.look, face, np.concatenate([1 - u - v, u, v], axis=1))[:, :3]
        part = np.full(len(hit), -1)
        part[hit] = self.part_of_face[face]
        height = origins[:, 1] - self.vertices[:, 1].min()
        to_floor = height / np.maximum(-directions[:, 1], 1e-3)
        far = np.where(hit, found.distance, to_floor)[:, None]
        return _Hits(origins + far * directions, normals, part, paint)

    def light(self, hits: _Hits, random: np.random.Generator, *, share: int = 1) -> Float[np.ndarray, " Q"]:
        """Light that reaches each place on a face; `share` divides the number of rays."""
        on_face = hits.part >= 0
        places, normals = hits.places[on_face], hits.normals[on_face]
        turns = random.random(len(places), np.float32) * np.float32(2 * np.pi)
        sky = np.zeros(len(places), np.float32)
        for toward in _hemisphere(normals, _SKY_RAYS // share, turns):
            free = self._free(places, normals, toward)
            sky += np.where(toward[:, 1] > 0, free, free * _FLOOR_LIGHT)
        lamp = np.zeros(len(places), np.float32)
        for _ in range(_LAMP_RAYS // share):
            toward = _LAMP + _LAMP_SIZE * random.standard_normal((len(places), 3), np.float32)
            facing = np.maximum(normals @ _LAMP, 0)
            lamp += self._free(places, normals, toward) * facing
        light = np.zeros(len(on_face), np.float32)
        light[on_face] = _SKY_STRENGTH * sky / (_SKY_RAYS // share) + _LAMP_STRENGTH * lamp / (_LAMP_RAYS // share)
        return light

    def colour(self, hits: _Hits, light: Float[np.ndarray, " Q"]) -> Float[np.ndarray, "Q 3"]:
        """What the eye sees there, linear."""
        bare = 1 - self._shade_at(hits.places)
        return np.where(hits.part[:, None] >= 0, hits.paint * light[:, None], bare[:, None])

    def _free(self, places: np.ndarray, normals: np.ndarray, toward: np.ndarray) -> Float[np.ndarray, " Q"]:
        lifted = places + 2e-3 * self.reach * normals
        return (~self.scene.blocked(lifted, toward)).astype(np.float32)

    def _floor_centre(self) -> Float[np.ndarray, " 3"]:
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        return np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])

    def _floor_shade(self) -> Float[np.ndarray, "n n"]:
        steps = (np.arange(_FLOOR_CELLS) + 0.5) / _FLOOR_CELLS * 2 - 1
        x, z = np.meshgrid(steps, steps, indexing="ij")
        places = self._floor_centre() + _FLOOR_REACH * self.reach * np.stack([x, 0 * x, z], axis=-1).reshape(-1, 3)
        places[:, 1] -= 0.01 * self.reach  # contact would be black
        up = np.broadcast_to(np.array([0, 1, 0], np.float32), places.shape)
        random = np.random.default_rng(1)
        turns = random.random(len(places), np.float32) * np.float32(2 * np.pi)
        sky = _hemisphere(up, _FLOOR_RAYS, turns)
        lamp = [_LAMP + _LAMP_SIZE * random.standard_normal(places.shape, np.float32) for _ in range(_FLOOR_RAYS // 2)]
        unlit = np.mean([1 - self._free(places, up, toward) for toward in sky], axis=0) * _FLOOR_SHADE
        unlit += np.mean([1 - self._free(places, up, toward) for toward in lamp], axis=0) * _FLOOR_LAMP_SHADE
        fading = np.clip(1 - np.hypot(x, z), 0, 1)
        fading = fading * fading * (3 - 2 * fading)
        return (gaussian_filter(unlit.reshape(x.shape), 0.8) * np.minimum(2 * fading, 1)).astype(np.float32)

    def _shade_at(self, places: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
        away = (places - self._floor_centre())[:, [0, 2]] / (_FLOOR_REACH * self.reach)
        cells = (away + 1) / 2 * _FLOOR_CELLS - 0.5
        shade: np.ndarray = map_coordinates(self.floor, cells.T, order=1, mode="constant")
        return shade


def _plain(mesh: TriangleMesh, colour: Colour) -> Appearance:
    return Appearance.plain(len(mesh.faces), Material("plain", linear_rgba(colour)))


def _nested(meshes: Sequence[TriangleMesh], normals: Sequence[np.ndarray]) -> list[TriangleMesh]:
    """Each mesh a hair's breadth within where the one before it would be, so that shared surfaces do not flicker."""
    reach = max(float(np.ptp(mesh.vertices, axis=0).max()) for mesh in meshes)
    nested = []
    for place, (mesh, at_corners) in enumerate(zip(meshes, normals, strict=True)):
        inward = np.zeros(mesh.vertices.shape)
        inward[mesh.faces.reshape(-1)] = at_corners.reshape(-1, 3)
        nested.append(replace(mesh, vertices=mesh.vertices - _HAIR * reach * place * inward, look=None, source=None))
    return nested


def _hemisphere(normals: Float[np.ndarray, "Q 3"], count: int, turns: Float[np.ndarray, " Q"]) -> list[np.ndarray]:
    """`count` directions about each normal, cosine-weighted, the pattern turned by `turns`."""
    # An orthonormal frame without branches (Duff et al. 2017, "Building an orthonormal basis, revisited").
    x, y, z = normals.T
    sign = np.where(z >= 0, np.float32(1), np.float32(-1))
    a = -1 / (sign + z)
    b = x * y * a
    first = np.stack([1 + sign * x * x * a, sign * b, -sign * x], axis=1)
    second = np.stack([b, sign + y * y * a, -y], axis=1)
    directions = []
    for place in range(count):
        radius = float(np.sqrt((place + 0.5) / count))
        angle = (np.float32(place * _GOLDEN_ANGLE) + turns)[:, None]
        flat = radius * (np.cos(angle) * first + np.sin(angle) * second)
        directions.append(flat + float(np.sqrt(1 - radius**2)) * normals)
    return directions


def _vignette(across: Int[np.ndarray, " Q"], down: Int[np.ndarray, " Q"], size: int) -> Float[np.ndarray, " Q"]:
    """1, and less and less within the margin: a shadow on the floor has faded at the picture's border."""
    to_border = np.minimum(np.minimum(across, size - 1 - across), np.minimum(down, size - 1 - down))
    return np.minimum(to_border / (_MARGIN * size), 1)


def _edges(hits: _Hits, size: int) -> Bool[np.ndarray, " Q"]:
    """Pixels that differ in part, direction or colour from the one to the right or below, and those."""
    part = hits.part.reshape(size, size)
    paint = hits.paint.reshape(size, size, 3)
    normals = hits.normals.reshape(size, size, 3)
    edge = np.zeros((size, size), bool)
    for axis in (0, 1):
        first, second = [slice(None)] * 2, [slice(None)] * 2
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        one, other = tuple(first), tuple(second)
        turned = _dot(normals[one], normals[other]) < 0.9
        unlike = np.abs(paint[one] - paint[other]) > _UNLIKE
        painted = unlike[..., 0] | unlike[..., 1] | unlike[..., 2]
        differs = (part[one] != part[other]) | ((turned | painted) & (part[one] >= 0))
        edge[one] |= differs
        edge[other] |= differs
    return edge.reshape(-1)


def _smoothed(light: Float[np.ndarray, " Q"], hits: _Hits, size: int) -> Float[np.ndarray, " Q"]:
    """The light averaged over the neighbourhood, as far as that is the same part and faces the same way."""
    part, normals = hits.part.reshape(size, size), hits.normals.reshape(size, size, 3)
    light = light.reshape(size, size)
    weight = (part >= 0).astype(np.float32)
    total = light * weight
    # Being alike is mutual: each pair of pixels is looked at once and counts for both.
    for down, across in ((0, 1), (0, 2), *((down, across) for down in (1, 2) for across in range(-2, 3))):
        rows = slice(down, None), slice(None, size - down)
        columns = slice(max(across, 0), size + min(across, 0)), slice(max(-across, 0), size - max(across, 0))
        here, there = (rows[0], columns[0]), (rows[1], columns[1])
        alike = (part[here] == part[there]) & (part[here] >= 0) & (_dot(normals[here], normals[there]) > 0.9)
        for one, other in ((here, there), (there, here)):
            total[one] += alike * light[other]
            weight[one] += alike
    return (total / np.maximum(weight, 1)).reshape(-1)


def _dot(a: Float[np.ndarray, "*shape 3"], b: Float[np.ndarray, "*other 3"]) -> Float[np.ndarray, "*shape"]:
    product: np.ndarray = a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]  # einsum is slower
    return product
