"""Windows: which host memory an engine may read, and at which bus addresses it finds it."""

from dataclasses import dataclass

from .capabilities import Capabilities
from .errors import WindowRefusedError
from .register_map import Register, WindowStatusFields
from .registers import Registers, require_bits
from .waiting import DEFAULT_TIMEOUT_MS, wait_until

GRANULE = 8
PAGE_BYTES = 4096
ADDRESS_LIMIT = 1 << 64


@dataclass(frozen=True, kw_only=True)
class Window:
    """List addresses ``base`` to ``base + size - 1`` stand at bus addresses from ``bus_base`` on. Size 0 is off.

    Any 64-bit values make a ``Window``; ``problem`` says what the engine would have against them.
    """

    base: int
    size: int
    bus_base: int

    def __post_init__(self) -> None:
        for name in ("base", "size", "bus_base"):
            require_bits(name, getattr(self, name), 64)

    def problem(self, address_width: int = 64) -> str | None:
        """Why an engine with that bus address width must refuse this window; None when it must take it."""
        for name in ("base", "size", "bus_base"):
            value = getattr(self, name)
            if value % GRANULE:
                return f"{name} {value:#x} is not a multiple of {GRANULE}"
        if (self.base - self.bus_base) % PAGE_BYTES:
            return f"base {self.base:#x} and bus_base {self.bus_base:#x} differ modulo {PAGE_BYTES}"
        if self.base + self.size > ADDRESS_LIMIT:
            return f"the window ends beyond 64 bits: {self.base:#x} + {self.size:#x}"
        if self.bus_base + self.size > 1 << address_width:
            return f"the window's bus addresses do not fit {address_width} bits: {self.bus_base:#x} + {self.size:#x}"
        return None


WINDOW_OFF = Window(base=0, size=0, bus_base=0)
"""What turns a window off."""


class Windows:
    """Sets and clears the windows of an engine."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self._lock = registers.transport.make_lock()
        self._capabilities: Capabilities | None = None

    def attach(self, capabilities: Capabilities) -> None:
        """Serve the engine just identified."""
        self._capabilities = capabilities

    async def set(self, index: int, window: Window, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> None:
        """Make ``window`` window number ``index``. Possible only while the engine is quiesced.

        Raises ``WindowRefusedError`` with the reason when the engine refuses; the window is as it was then.
        """
        async with self._lock:
            await self._registers.write_wide(Register.WINDOW_BASE_LOW, Register.WINDOW_BASE_HIGH, window.base)
            await self._registers.write_wide(Register.WINDOW_SIZE_LOW, Register.WINDOW_SIZE_HIGH, window.size)
            await self._registers.write_wide(Register.WINDOW_BUS_LOW, Register.WINDOW_BUS_HIGH, window.bus_base)
            await self._registers.write(Register.WINDOW_COMMIT, index)
            word = 0

            async def is_over() -> bool:
                nonlocal word
                word = await self._registers.read(Register.WINDOW_STATUS)
                return not WindowStatusFields.BUSY.get(word)

            await wait_until(self._registers.transport, is_over, what="window commit", timeout_ms=timeout_ms)
        if WindowStatusFields.REFUSED.get(word):
            raise WindowRefusedError(f"window {index}: {self._reason(index, window)}")

    async def clear(self, index: int, *, timeout_ms: float = DEFAULT_TIMEOUT_MS) -> None:
        """Turn window number ``index`` off. Raises as ``set`` does."""
        await self.set(index, WINDOW_OFF, timeout_ms=timeout_ms)

    def _reason(self, index: int, window: Window) -> str:
        """Why the engine refused. The engine does not say, but what it holds against a window is contract."""
        if self._capabilities is not None:
            if index >= self._capabilities.window_count:
                return f"the engine has {self._capabilities.window_count} windows"
            problem = window.problem(self._capabilities.address_width)
            if problem is not None:
                return problem
        return "a command is active or a read outstanding; wait_quiesced first"
