"""From a scenario that fails to a small one that fails: hypothesis makes the choices behind it fewer and smaller."""

import warnings
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.database import InMemoryExampleDatabase, choices_to_bytes
from hypothesis.errors import HypothesisWarning, NoSuchExample
from hypothesis.strategies import composite, integers

from .choices import Choices
from .maker import make_scenario
from .prune import prune
from .scenario import Scenario

_NO_HURRY = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
_KEY = b"the scenario that failed"
_NOT_YET_SHRUNK = b".secondary"
"""Where hypothesis keeps what it found on its way; what stands under the key itself it takes for shrunk already."""


def shrink(drawn: Sequence[int], engine: str, fails: Callable[[Scenario], bool]) -> Scenario | None:
    """The smallest scenario found that ``fails``, from one whose choices are ``drawn`` (see ``Choices.drawn``). None
    when that one does not fail, or is too large for hypothesis. It takes a few hundred scenarios.
    """

    @composite
    def scenarios(draw: Callable[..., int]) -> Scenario:
        return make_scenario(Choices(lambda bound: draw(integers(0, bound - 1))), engine)

    known = InMemoryExampleDatabase()
    known.save(_KEY + _NOT_YET_SHRUNK, choices_to_bytes(tuple(drawn)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        try:
            smallest = find(
                scenarios(),
                fails,
                settings=settings(
                    database=known,
                    deadline=None,
                    # It never generates: it begins with what is known.
                    phases=(Phase.reuse, Phase.shrink),
                    suppress_health_check=_NO_HURRY,
                ),
                database_key=_KEY,
            )
        except NoSuchExample:
            return None
    return prune(smallest, fails)
