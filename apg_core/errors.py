"""Every error that this project raises on purpose.

ApgError
├── InputError               what the caller gave (HTTP 422)
│   ├── PromptError          the combination of image, mesh and mask
│   ├── ImageError           the image itself
│   ├── MaskError            the part mask itself
│   ├── MeshError            the mesh itself
│   ├── OptionError          an option's name or value
│   ├── EditError            an edit of a generation that it does not fit
│   └── LimitError           larger than this installation accepts (HTTP 413)
├── SetupError               what is installed here
│   ├── PresetError          a preset or config that cannot be read
│   ├── WeightsMissingError  a weight file that is not there
│   ├── WeightsMismatchError a weight file that is not this model's
│   └── BackendMissingError  an optional package or device that was asked for
├── SamplingError            the network's numbers went out of range
├── DeviceMemoryError        the device is too small even for the least that can be done at once
├── OutputError              a result that could not be written
└── SandboxError             the process that decodes untrusted files did not start
"""

from typing import ClassVar


class ApgError(Exception):
    """An error with a message for people, a code for programs, and the field it is about."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.field)


def _rebuild(kind: type[ApgError], message: str, field: str | None) -> ApgError:
    return kind(message, field=field)


class InputError(ApgError):
    """The caller's input cannot be used; sending it again will not help."""

    code = "invalid_input"


class PromptError(InputError):
    """This combination of image, mesh and mask is not one of the five modes."""

    code = "invalid_prompt"


class ImageError(InputError):
    """The image cannot be used."""

    code = "invalid_image"


class MaskError(InputError):
    """The part mask cannot be used."""

    code = "invalid_mask"


class MeshError(InputError):
    """The mesh cannot be used."""

    code = "invalid_mesh"


class OptionError(InputError):
    """An option is unknown, or its value is outside its range."""

    code = "invalid_option"


class EditError(InputError):
    """The edit is none, or it does not fit the generation that it is to change."""

    code = "invalid_edit"


class LimitError(InputError):
    """The input is larger than this installation accepts."""

    code = "too_large"


class SetupError(ApgError):
    """Something this installation needs is missing or wrong."""

    code = "setup"


class PresetError(SetupError):
    """A preset or config file cannot be read."""

    code = "invalid_preset"


class WeightsMissingError(SetupError):
    """A weight file is not where it was looked for."""

    code = "weights_missing"


class WeightsMismatchError(SetupError):
    """A weight file does not hold this model's tensors."""

    code = "weights_mismatch"


class BackendMissingError(SetupError):
    """An optional package or device was asked for and is not here."""

    code = "backend_missing"


class SamplingError(ApgError):
    """The network's output is not finite."""

    code = "sampling"


class DeviceMemoryError(ApgError):
    """The device has no room even for the least that can be computed at once."""

    code = "out_of_memory"


class OutputError(ApgError):
    """A result could not be written; what was there before is untouched."""

    code = "output"


class SandboxError(ApgError):
    """The process that decodes untrusted files did not start; the same files may be decoded later."""

    code = "unavailable"
