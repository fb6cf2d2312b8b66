"""What every deployment can be asked."""


class Replica:
    """A process of a deployment; its class runs its networks once when it is made, so one that answers is ready."""

    def ready(self) -> bool:
        """Whether it can work: it can, once this can be asked."""
        return True
