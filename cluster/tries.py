"""How often each object was begun, told by one small actor that lives where the driver does."""

TRIES = 3


class Tries:
    """Counts how often each object was begun and not ended: an object that kills its actor is given up."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}

    def begin(self, item: str) -> int:
        """How often it was begun, this time included."""
        self._begun[item] = self._begun.get(item, 0) + 1
        return self._begun[item]

    def end(self, item: str) -> None:
        """It has ended, well or not."""
        self._begun.pop(item, None)
