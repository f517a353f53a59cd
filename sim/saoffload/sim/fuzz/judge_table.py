"""Adds and flushes: what lives when, where the host's registers tell it only some clocks later."""

from saoffload.sim.model import AddResult, Bundle, Direction, DisagreementError, Key

from .case import Case
from .scenario import Step

FLUSH_RESULT_CLOCKS = 8
"""From the end of a flush in the table to its result, at most, as registers and trace show it."""


class TableJudge:
    """Follows the table. An add takes effect somewhere between the write that began it and the read that told its
    answer: the first hit or delete of its bundle says when. A flush takes effect while its doorbell is written.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self._adding: Bundle | None = None
        self._requested = 0
        self._handle: int | None = None
        #: Every result that an add on offer might have been refused with by now; None: it might not.
        self._refusals: set[AddResult | None] = set()
        #: What lived when the doorbell of a flush began to be written.
        self._before: dict[int, Bundle] | None = None
        self._early_answer: tuple[int, str, int] | None = None

    def offer(self, step: Step) -> None:
        """The add is on offer."""
        direction = Direction.OUTBOUND if step.is_outbound else Direction.INBOUND
        self._adding = Bundle(tuple(Key(*sa) for sa in step.sas), direction, step.context)
        self._requested = step.handle
        self._handle = None
        self._refusals = set()
        self.did_change()

    def did_change(self) -> None:
        """Something was deleted or flushed: the add on offer may be judged otherwise."""
        table = self._case.table
        if self._adding is not None and not table.is_flushing:
            self._refusals.add(table.refusal(self._adding, self._requested))

    def appears(self, handle: int) -> bool:
        """The handle was hit or found, and nothing of that name lives: whether it is the add's on offer, which lives
        from now on. Raises ``DisagreementError`` when that must be refused, or wait.
        """
        if self._adding is None or self._handle is not None:
            return False
        table = self._case.table
        if table.is_restoring and handle != self._requested:
            return False
        answer = table.add(self._adding, requested=self._requested, chosen=handle)
        if answer is None or answer.result is not AddResult.OK:
            raise DisagreementError(f"{handle:#x} lives, its add must answer {answer}")
        self._handle = handle
        return True

    def answer(self, result: str, handle: int) -> None:
        """The add was answered. While a flush is under way it waits; but the flush itself is over some clocks before
        its result is taken.
        """
        case = self._case
        if case.table.is_flushing:
            self._early_answer = (case.clock, result, handle)
            return
        if result == AddResult.OK.name:
            if self._handle is None and not self.appears(handle):
                case.fail(f"add answered with {handle:#x}, restored as {self._requested:#x}")
            if self._handle != handle:
                case.fail(f"add answered with {handle:#x}, hit before as {self._handle:#x}")
        elif self._handle is not None:
            case.fail(f"add answered {result}, hit before as {self._handle:#x}")
        elif AddResult[result] not in self._refusals:
            possible = sorted(AddResult.OK.name if one is None else one.name for one in self._refusals)
            case.fail(f"add answered {result}, the model has {' or '.join(possible)}")
        self._adding = None
        case.counts[f"add {result}"] += 1

    def end_flush(self) -> None:
        """The result of the flush was taken."""
        self._before = None
        self.did_change()
        if self._early_answer is not None:
            clock, result, handle = self._early_answer
            self._early_answer = None
            if self._case.clock - clock > FLUSH_RESULT_CLOCKS:
                self._case.fail(f"add answered {result} {self._case.clock - clock} clocks before a flush was over")
            self.answer(result, handle)

    def begin_flush(self) -> None:
        """Call before the model flushes."""
        self._before = dict(self._case.table.live)

    def did_flush(self) -> None:
        """Every lookup misses from now on."""
        self._before = None

    def lived_before_flush(self, handle: int) -> Bundle | None:
        """The bundle of this name, if a flush that may not have begun yet removes it."""
        return self._before.get(handle) if self._before is not None else None
