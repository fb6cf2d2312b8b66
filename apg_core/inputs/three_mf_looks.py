"""The colours of a 3MF's triangles: of base materials, and of corners by colour groups; its textures are left out.

Source: 3MF core specification 1.3, section 5 (materials); materials and properties extension 1.2.1, section 2.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from apg_core.protocol.appearance import Appearance, Material, Rgba, linear_rgba

_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}(?:[0-9A-Fa-f]{2})?")
_NOBODY = -1

Name = tuple[str, str]
"""A document in the zip, and an id in it."""


@dataclass
class Properties:
    """What triangles may refer to: groups of colours, by their names."""

    groups: dict[Name, int] = field(default_factory=dict)
    bases: dict[int, list[Material]] = field(default_factory=dict)
    colours: dict[int, list[Rgba]] = field(default_factory=dict)
    textured: bool = False

    def begin(self, name: Name, *, of_materials: bool) -> None:
        """A group of this name follows."""
        number = self.groups.setdefault(name, len(self.groups))
        if of_materials:
            self.bases[number] = []
        else:
            self.colours[number] = []

    def add(self, name: Name, attributes: Mapping[str, str]) -> None:
        """A member of the group of this name."""
        number = self.groups.get(name, _NOBODY)
        if number in self.bases:
            known = attributes.get("name", "material")[:80]
            self.bases[number].append(Material(known, _colour(attributes.get("displaycolor", ""))))
        elif number in self.colours:
            self.colours[number].append(_colour(attributes.get("color", "")))

    def look(self, marks: Sequence[Name | None], rows: "array[int]") -> Appearance | None:
        """Of one object's triangles, each with its group and three members; None where nothing is said of them.

        `marks` are the groups as the triangles name them, `rows` four numbers a triangle: a place in `marks`, members.
        """
        notes = ("the textures of the 3MF were left out: only its colours are read",) if self.textured else ()
        group, members = self._resolved(marks, rows)
        materials = [Material("default")]
        number = np.zeros(len(group), np.int32)
        colours = np.ones((len(group), 3, 4), np.float32)
        for place, bases in self.bases.items():
            some = (group == place) & (members[:, 0] >= 0) & (members[:, 0] < len(bases))
            number[some] = len(materials) + members[some, 0]
            materials.extend(bases)
        for place, known in self.colours.items():
            some = (group == place) & ((members >= 0) & (members < len(known))).all(axis=1)
            colours[some] = np.array(known, np.float32).reshape(-1, 4)[members[some]]
        painted = bool((colours != 1).any())
        if not number.any() and not painted and not notes:
            return None
        return Appearance(tuple(materials), number, colours=colours if painted else None, notes=notes)

    def _resolved(
        self, marks: Sequence[Name | None], rows: "array[int]"
    ) -> tuple[Int[np.ndarray, " F"], Int[np.ndarray, "F 3"]]:
        table = np.array([_NOBODY if name is None else self.groups.get(name, _NOBODY) for name in marks], np.int64)
        numbers = np.array(rows, np.int64).reshape(-1, 4)
        return table[numbers[:, 0]], numbers[:, 1:]


def _colour(text: str) -> Rgba:
    if _COLOUR.fullmatch(text) is None:
        return (1.0, 1.0, 1.0, 1.0)
    return linear_rgba(list(bytes.fromhex(text[1:])))
