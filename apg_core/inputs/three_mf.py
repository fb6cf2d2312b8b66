"""The triangles of a 3MF: a zip with one or more XML documents of objects, and what is built of them.

Our own reading, which holds every count against its limit as it goes: trimesh's wants a further library.
Document types, and with them entities, are refused; nothing outside the zip is ever opened.
Source: 3MF core specification 1.3, sections 3.3 (transforms), 3.4 (build) and 4 (objects); production extension
1.1.2, section 4.2 (components of other documents in the same zip).
"""

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

import numpy as np

from apg_core.errors import MeshError
from apg_core.inputs.archive import Archive
from apg_core.inputs.placing import Transform, placed
from apg_core.inputs.three_mf_looks import Name, Properties
from apg_core.protocol.limits import InputLimits, check_limit
from apg_core.protocol.mesh import TriangleMesh

_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_MATERIALS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
_PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
_MODEL = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
_RELATIONSHIP = "http://schemas.openxmlformats.org/package/2006/relationships Relationship"
_DEEPEST = 16  # elements within each other; the core specification needs seven

_MOST_DOCUMENTS = 1000


@dataclass(frozen=True)
class _Use:
    """An object in its place in another one, or in what is built."""

    name: Name
    transform: Transform


@dataclass
class _Object:
    """A mesh, or others put together."""

    is_part: bool = True
    vertices: "array[float]" = field(default_factory=lambda: array("d"))
    corners: "array[int]" = field(default_factory=lambda: array("q"))
    own: tuple[Name | None, int] = (None, 0)
    """Group and member of the triangles that name none."""
    marks: dict[Name | None, int] = field(default_factory=dict)
    """Groups that triangles name."""
    painted: "array[int]" = field(default_factory=lambda: array("q"))
    """Of each triangle its place in `marks`, and three members."""
    uses: list[_Use] = field(default_factory=list)


@dataclass
class _Model:
    """What the documents say that have been read, and which there are."""

    documents: list[str]
    objects: dict[Name, _Object] = field(default_factory=dict)
    built: list[_Use] = field(default_factory=list)
    properties: Properties = field(default_factory=Properties)
    vertices: int = 0
    faces: int = 0
    entries: int = 0


def read_3mf(archive: Archive, limits: InputLimits) -> list[TriangleMesh]:
    """One mesh for each placed object of the build, in its order, in the file's units; supports are left out.

    Raises:
        MeshError: damaged, or refers to objects that are not there.
        LimitError: more vertices, faces, objects or unpacked bytes than `limits` allow.
    """
    try:
        model = _read_model(archive, limits)
        _check_size(model, limits)
        with np.errstate(all="ignore"):  # overflow makes infinite vertices, which are refused later
            return list(_placed(model))
    except (expat.ExpatError, LookupError, ValueError, OverflowError) as error:
        raise MeshError(f"the 3MF is damaged: {error}; export it again", field="mesh") from error


def _read_model(archive: Archive, limits: InputLimits) -> _Model:
    model = _Model([_root(archive)])
    for document in model.documents:  # which grow as they are read
        _parse(archive.read(document), _Reader(model, document, limits).start)
    return model


def _root(archive: Archive) -> str:
    """The document that the package names as its model."""
    found: list[str] = []

    def start(name: str, attributes: Mapping[str, str]) -> None:
        if name == _RELATIONSHIP and attributes.get("Type") == _MODEL:
            found.append(attributes["Target"].lstrip("/"))

    _parse(archive.read("_rels/.rels"), start)
    if len(found) != 1:
        raise ValueError(f"{len(found)} models in it")
    return found[0]


class _Reader:
    """Reads one document into a model."""

    def __init__(self, model: _Model, document: str, limits: InputLimits) -> None:
        self._model = model
        self._document = document
        self._limits = limits
        self._object = _Object()
        self._group: Name = (document, "")

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take in an element."""
        model, limits = self._model, self._limits
        match name.removeprefix(f"{_CORE} "):
            case "vertex":
                model.vertices += 1
                check_limit("vertices", model.vertices, limits.mesh_vertices, field="mesh")
                place = (float(attributes["x"]), float(attributes["y"]), float(attributes["z"]))
                self._object.vertices.extend(place)
            case "triangle":
                model.faces += 1
                check_limit("faces", model.faces, limits.mesh_faces, field="mesh")
                corners = (int(attributes["v1"]), int(attributes["v2"]), int(attributes["v3"]))
                self._object.corners.extend(corners)
                self._paint(attributes)
            case "object":
                self._count()
                key = (self._document, attributes["id"])
                if key in model.objects:
                    raise ValueError(f"two objects {attributes['id'][:20]!r}")
                pid, own = attributes.get("pid"), _number(attributes.get("pindex"), 0)
                self._object = _Object(
                    is_part=attributes.get("type", "model") in ("model", "surface"),
                    own=(None if pid is None else (self._document, pid), own),
                )
                model.objects[key] = self._object
            case "component":
                self._count()
                self._object.uses.append(self._use(attributes))
            case "item" if self._document == model.documents[0]:
                self._count()
                model.built.append(self._use(attributes))

            case _:
                self._take_in_look(name, attributes)

    def _take_in_look(self, name: str, attributes: Mapping[str, str]) -> None:
        properties = self._model.properties
        match name.removeprefix(f"{_CORE} ").removeprefix(f"{_MATERIALS} "):
            case "basematerials" | "colorgroup" as kind:
                self._count()
                self._group = (self._document, attributes.get("id", ""))
                properties.begin(self._group, of_materials=kind == "basematerials")
            case "base" | "color":
                self._count()
                properties.add(self._group, attributes)
            case "texture2dgroup":
                properties.textured = True

    def _paint(self, attributes: Mapping[str, str]) -> None:
        """Remember what the last triangle says of its looks."""
        item = self._object
        pid = attributes.get("pid")
        mark = item.own[0] if pid is None else (self._document, pid)
        first = _number(attributes.get("p1"), item.own[1])
        members = (first, _number(attributes.get("p2"), first), _number(attributes.get("p3"), first))
        item.painted.extend((item.marks.setdefault(mark, len(item.marks)), *members))

    def _count(self) -> None:
        self._model.entries += 1
        check_limit("objects of the 3MF", self._model.entries, self._limits.mesh_entries, field="mesh")

    def _use(self, attributes: Mapping[str, str]) -> _Use:
        document = attributes.get(f"{_PRODUCTION} path", self._document).lstrip("/")
        if document not in self._model.documents:
            self._model.documents.append(document)
            check_limit("documents of the 3MF", len(self._model.documents), _MOST_DOCUMENTS, field="mesh")
        return _Use((document, attributes["objectid"]), _transform(attributes.get("transform")))


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else otherwise


def _transform(text: str | None) -> Transform:
    """From a component's frame to its parent's; the file has the rows of a matrix that row vectors precede."""
    transform = np.eye(4)
    if text is not None:
        numbers = [float(number) for number in text.split()]
        if len(numbers) != 12:
            raise ValueError(f"a transform of {len(numbers)} numbers")
        transform[:3] = np.array(numbers).reshape(4, 3).T
    return transform


def _check_size(model: _Model, limits: InputLimits) -> None:
    """Count what will be placed, before any of it is; an object in itself is an error."""
    counts: dict[Name, np.ndarray] = {}  # instances, vertices, faces; as Python's integers, which do not overflow

    def count(uses: list[_Use], within: tuple[Name, ...]) -> np.ndarray:
        total = np.zeros(3, object)
        for use in uses:
            if use.name not in counts:
                if use.name in within or len(within) >= _DEEPEST:
                    raise ValueError("an object is part of itself, or of very many others in each other")
                item = model.objects[use.name]
                own = np.array([1, len(item.vertices) // 3, len(item.corners) // 3], object)
                counts[use.name] = own + count(item.uses, (*within, use.name))
            total = total + counts[use.name]
        return total

    instances, vertices, faces = count(model.built, ())
    check_limit("objects of the 3MF", instances, limits.mesh_entries, field="mesh")
    check_limit("vertices", vertices, limits.mesh_vertices, field="mesh")
    check_limit("faces", faces, limits.mesh_faces, field="mesh")


def _placed(model: _Model) -> Iterator[TriangleMesh]:
    meshes = {
        name: TriangleMesh(
            np.array(item.vertices).reshape(-1, 3),
            np.array(item.corners, np.int64).reshape(-1, 3),
            look=model.properties.look(list(item.marks), item.painted),
        )
        for name, item in model.objects.items()
        if item.corners and item.is_part
    }
    for mesh in meshes.values():
        if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
            raise ValueError(f"a face names a vertex that is not one of {len(mesh.vertices):,}")
    waiting = list(reversed(model.built))
    while waiting:
        use = waiting.pop()
        if use.name in meshes:
            yield placed(meshes[use.name], use.transform)
        uses = model.objects[use.name].uses
        waiting.extend(_Use(inner.name, use.transform @ inner.transform) for inner in reversed(uses))


def _parse(content: bytes, start: Callable[[str, Mapping[str, str]], None]) -> None:
    """Hand every element to `start`, named by namespace and name; nothing is kept here."""
    depth = 0

    def enter(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} elements within each other")
        start(name, attributes)

    def leave(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = enter
    parser.EndElementHandler = leave
    parser.Parse(content, True)


def _refuse_document_type(*_: object) -> NoReturn:
    raise ValueError("it declares a document type, which a 3MF must not")
