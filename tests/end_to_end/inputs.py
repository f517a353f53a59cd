"""Small inputs for the command line: an image, a table file, and the arguments that name them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saoffload.host.lists import ListBuilder
from saoffload.host.register_map import Abi

BASE = 0x7F01_0000
IMAGE_BYTES = 1 << 13
HANDLES = tuple(0x8000_0000 + index for index in range(8))


def bundle(handle: int, spi: int = 0x1000, destination: str = "192.0.2.1", **more: Any) -> dict[str, Any]:
    """A bundle of a table file."""
    sa = {"spi": hex(spi + (handle & 0xFF)), "dst": destination, "protocol": "esp"}
    return {"handle": f"{handle:#x}", "sas": [sa], **more}


@dataclass
class Inputs:
    """A list of 8 nodes that names all 8 bundles of the table, and the files of both in ``folder``."""

    folder: Path
    abi: Abi = Abi.X64

    def __post_init__(self) -> None:
        self.builder = ListBuilder(base=BASE, size=IMAGE_BYTES, abi=self.abi, seed=7)
        self.placed = self.builder.scattered(HANDLES)
        self.head = self.placed.head
        self.bundles = [bundle(handle) for handle in HANDLES]

    def arguments(self, *more: str) -> list[str]:
        """Writes the files as things are now; what `walk` and `model` must be given to read them."""
        image, table = self.folder / "image.bin", self.folder / "table.json"
        image.write_bytes(self.builder.image())
        table.write_text(json.dumps({"bundles": self.bundles}))
        files = ["--image", str(image), "--base", hex(BASE), "--head", hex(self.head), "--table", str(table)]
        return [*files, "--preset", "tiny", *more]
