"""Meshes as 3MF: one thing to build, of named parts in their places, with colours or textures; printers' z is up.

Source: 3MF core specification 1.3; materials and properties extension 1.2.1, sections 2 (colours) and 3 (textures).
"""

import io
import zipfile
from collections.abc import Iterator
from html import escape

import numpy as np
from jaxtyping import Float, Int

from apg_core.geometry.files.corners import drawn_faces
from apg_core.geometry.files.model import GENERATOR, FilePart, Model, Palette
from apg_core.geometry.files.wavefront import texture_file
from apg_core.protocol.appearance import Material, Texture, srgb, srgb_bytes

_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_MATERIALS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_RELATION = "http://schemas.microsoft.com/3dmanufacturing/2013/01"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_TILES = {"repeat": "wrap", "mirror": "mirror", "clamp": "clamp"}
_NO_DATE = (1980, 1, 1, 0, 0, 0)
_BASE_MATERIALS = 1


def write(stem: str, model: Model) -> list[tuple[str, bytes]]:
    """The file of a model."""
    package = _Package(model)
    document = package.document()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in package.around():
            archive.writestr(zipfile.ZipInfo(name, _NO_DATE), content, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("3D/3dmodel.model", _NO_DATE), document, zipfile.ZIP_DEFLATED)
    return [(f"{stem}.3mf", buffer.getvalue())]


class _Package:
    """The documents of one file; resources are numbered as they are written."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._palette = Palette()
        self._materials = [
            {place: self._palette.place(part.look, place) for place in part.look.used} for part in model.parts
        ]
        self._last = _BASE_MATERIALS

    def document(self) -> str:
        frame = self._model.frame
        text = [
            f'{_HEAD}<model unit="{frame.unit}" xml:lang="en" xmlns="{_CORE}" xmlns:m="{_MATERIALS}">',
            f'<metadata name="Application">{GENERATOR}</metadata>',
            f'<metadata name="Description">{frame.about}</metadata>',
            "<resources>",
            f'<basematerials id="{_BASE_MATERIALS}">',
            *(_base(material) for material in self._palette.materials),
            "</basematerials>",
        ]
        textures = [self._texture(text, texture) for texture in self._palette.textures]
        objects = [self._object(text, place, textures) for place in range(len(self._model.parts))]
        whole = self._next()
        text.append(f'<object id="{whole}" name="object" type="model"><components>')
        text.extend(f'<component objectid="{number}"/>' for number in objects)
        text.append(f'</components></object></resources><build><item objectid="{whole}"/></build></model>\n')
        return "\n".join(text)

    def around(self) -> Iterator[tuple[str, str | bytes]]:
        """The package's other documents, and the textures."""
        kinds = {"rels": "application/vnd.openxmlformats-package.relationships+xml", "png": "image/png"}
        kinds |= {"jpg": "image/jpeg", "model": "application/vnd.ms-package.3dmanufacturing-3dmodel+xml"}
        defaults = "".join(f'<Default Extension="{end}" ContentType="{kind}"/>' for end, kind in kinds.items())
        yield "[Content_Types].xml", f'{_HEAD}<Types xmlns="{_TYPES}">{defaults}</Types>'
        yield "_rels/.rels", _relations([("/3D/3dmodel.model", "3dmodel")])
        if self._palette.textures:
            paths = [f"/3D/Textures/{texture_file(texture)}" for texture in self._palette.textures]
            yield "3D/_rels/3dmodel.model.rels", _relations([(path, "3dtexture") for path in paths])
            for path, texture in zip(paths, self._palette.textures, strict=True):
                yield path.removeprefix("/"), texture.content

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _texture(self, text: list[str], texture: Texture) -> int:
        number, kind = self._next(), "png" if texture.is_png else "jpeg"
        across, down = (_TILES[wrap] for wrap in texture.wrap)
        text.append(
            f'<m:texture2d id="{number}" path="/3D/Textures/{texture_file(texture)}" contenttype="image/{kind}" '
            f'tilestyleu="{across}" tilestylev="{down}"/>'
        )
        return number

    def _object(self, text: list[str], place: int, textures: list[int]) -> int:
        """Write a part and what its triangles refer to; its number."""
        part = self._model.parts[place]
        properties = self._properties(text, part, self._materials[place], textures)
        number = self._next()
        first = next(iter(self._materials[place].values()), 0)
        text.append(
            f'<object id="{number}" name="{escape(part.name)}" type="model" pid="{_BASE_MATERIALS}" pindex="{first}">'
        )
        text.append("<mesh><vertices>")
        vertices = part.mesh.vertices.astype(np.float64).tolist()
        text.extend('<vertex x="{:.9g}" y="{:.9g}" z="{:.9g}"/>'.format(*vertex) for vertex in vertices)
        text.append("</vertices><triangles>")
        drawn = np.flatnonzero(drawn_faces(part.mesh.faces))
        faces = part.mesh.faces[drawn].tolist()
        text.extend(
            f'<triangle v1="{face[0]}" v2="{face[1]}" v3="{face[2]}"{own}/>'
            for face, own in zip(faces, (properties[at] for at in drawn.tolist()), strict=True)
        )
        text.append("</triangles></mesh></object>")
        return number

    def _properties(self, text: list[str], part: FilePart, materials: dict[int, int], textures: list[int]) -> list[str]:
        """What each triangle says of its looks, after writing the group that it refers to."""
        look = part.look
        own = [f' pid="{_BASE_MATERIALS}" p1="{materials[at]}"' for at in look.material.tolist()]
        for material, placed in materials.items():
            texture = self._palette.materials[placed].texture
            faces = np.flatnonzero(look.material == material)
            if texture is not None and look.uv is not None:
                _add_group(text, own, self._next(), faces, _texture_places(look.uv[faces], textures[texture]))
            elif look.colours is not None:
                _add_group(text, own, self._next(), faces, _colours(look.colours[faces], look.materials[material]))
        return own


Group = tuple[str, str, list[str], Int[np.ndarray, "K 3"]]
"""The element of a group, its attributes and members, and the member at each corner of its faces."""


def _texture_places(uv: Float[np.ndarray, "K 3 2"], texture: int) -> Group:
    places, place = np.unique(uv.reshape(-1, 2), axis=0, return_inverse=True)
    members = [f'<m:tex2coord u="{u:.7g}" v="{1 - v:.7g}"/>' for u, v in places.tolist()]
    return "m:texture2dgroup", f' texid="{texture}"', members, place.reshape(-1, 3)


def _colours(colours: Float[np.ndarray, "K 3 4"], material: Material) -> Group:
    light = np.clip(colours * np.array(material.colour), 0, 1).reshape(-1, 4)
    light[:, :3] = srgb(light[:, :3])
    unlike, place = np.unique(np.round(255 * light).astype(np.uint8), axis=0, return_inverse=True)
    return "m:colorgroup", "", [f'<m:color color="{_hex(one)}"/>' for one in unlike.tolist()], place.reshape(-1, 3)


def _add_group(text: list[str], own: list[str], number: int, faces: Int[np.ndarray, " K"], group: Group) -> None:
    """Write a group of this number, and let these faces refer to it."""
    element, attributes, members, corners = group
    text.extend([f'<{element} id="{number}"{attributes}>', *members, f"</{element}>"])
    for face, (a, b, c) in zip(faces.tolist(), corners.tolist(), strict=True):
        own[face] = f' pid="{number}" p1="{a}" p2="{b}" p3="{c}"'


def _base(material: Material) -> str:
    return f'<base name="{escape(material.name)}" displaycolor="{_hex(srgb_bytes(material.colour))}"/>'


def _hex(colour: "list[int] | tuple[int, ...]") -> str:
    return "#" + "".join(f"{value:02X}" for value in colour)


def _relations(targets: list[tuple[str, str]]) -> str:
    each = "".join(
        f'<Relationship Target="{target}" Id="rel{place}" Type="{_RELATION}/{kind}"/>'
        for place, (target, kind) in enumerate(targets)
    )
    return f'{_HEAD}<Relationships xmlns="{_RELATIONS}">{each}</Relationships>'
