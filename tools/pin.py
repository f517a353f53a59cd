"""Writes constraints.txt: the exact version of every package that an installation of the project needs.

Installs the project with the extras given, unpinned, into an environment that is thrown away afterwards, and lists
what came. The file holds names and versions only, no addresses, so that it works with any package index.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Exact versions of everything, for `pip install -c`. Written by `make constraints`.\n"


def installed(extras: str) -> list[str]:
    """``name==version`` of all that the project with these extras installs, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [str(Path(folder) / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", f"{ROOT}[{extras}]"], check=True)
        listing = subprocess.run(
            [*pip, "list", "--format=freeze", "--exclude=saoffload", "--exclude=pip", "--exclude=setuptools"],
            check=True,
            capture_output=True,
            text=True,
        )
    return sorted(listing.stdout.split(), key=str.lower)


def main() -> None:
    """Rewrites the file."""
    lines = installed(sys.argv[1])
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(lines) + "\n")
    print(f"constraints.txt: {len(lines)} packages")


if __name__ == "__main__":
    main()
