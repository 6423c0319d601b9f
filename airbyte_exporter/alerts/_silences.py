"""What is not told for a while: which incidents a silence is about.

While an incident is silenced nothing new about it is sent. Whoever has been told of one before is told of its
end all the same, and one that goes on when its silence ends is told then.
"""

from dataclasses import dataclass, field

from pydantic import ValidationError

from airbyte_exporter.alerts._routing import Match
from airbyte_exporter.model import ConnectionHistory, Incident, Silence

__all__ = ["Silences", "matchers_of"]


@dataclass(frozen=True, slots=True)
class Silences:
    """The silences that there are; those that do not hold yet, or any more, change nothing.

    One that cannot be understood, since another version wrote it, is about no incident: an alert too many is
    better than one that is lost.
    """

    silences: tuple[Silence, ...] = ()
    _matches: tuple[tuple[Silence, Match], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        matches = ((silence, _match(silence)) for silence in self.silences)
        understood = tuple((silence, match) for silence, match in matches if match is not None)
        object.__setattr__(self, "_matches", understood)

    def silencing(self, incident: Incident, history: ConnectionHistory | None, at: float) -> Silence | None:
        """Return the silence that keeps an incident from being told at `at`, ``None`` if none does.

        Args:
            incident: What would be told.
            history: That of its connection; ``None`` for an incident that is not about one connection, which
                matchers about connections do not fit.
            at: The exporter's own time, in epoch seconds: a silence holds from the moment in which somebody
                made it, however old the last poll is.

        Returns:
            Of several the one that ends last.
        """
        fitting = (
            silence
            for silence, match in self._matches
            if silence.is_active(at) and match.fits(incident, history)
        )
        return max(fitting, key=lambda silence: (silence.over_at, silence.id), default=None)


def matchers_of(match: Match) -> dict[str, tuple[str, ...]]:
    """Return the matchers of a silence about what `match` fits."""
    words = ((key, getattr(match, key)) for key in Match.model_fields)
    return {key: tuple(its) for key, its in words if its}


def _match(silence: Silence) -> Match | None:
    try:
        return Match.model_validate(dict(silence.matchers))
    except ValidationError:
        return None
