"""How long some work still takes if it goes on as it went."""

_LEAST_SECONDS = 2.0
_LEAST_SHARE = 0.03
"""Before so much has passed, and so much was done, nobody can tell."""


class Pace:
    """Learns from the finished shares of the work, and from when they were heard of."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._last = 0.0

    def seconds_left(self, fraction: float | None, moment: float) -> float | None:
        """The seconds that are left when the share `fraction` (0 to 1) is finished at `moment`; None where unknown.

        A share that is smaller than the one before begins something else.
        """
        if fraction is None:
            self._began = None
            return None
        if self._began is None or fraction < self._last:
            self._began = (moment, fraction)
        self._last = fraction
        passed, done = moment - self._began[0], fraction - self._began[1]
        if passed < _LEAST_SECONDS or done < _LEAST_SHARE:
            return None
        return passed * max(0.0, 1 - fraction) / done
