"""The command of the fault campaign."""

import argparse
import json
import sys

from saoffload.sim.cli.progress import shown_progress
from saoffload.sim.toolchain import SimulatorError

from .campaign import DAY, ENGINES, PLAN, WHOLE, CampaignError, jobs, run_part


def main() -> int:
    """Exit code 1 when something came of a fault that must not, 2 for a part that there is not."""
    parser = argparse.ArgumentParser(prog="python -m saoffload.sim.faults", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PLAN)}; all of them without any")
    parser.add_argument("--engine", choices=tuple(ENGINES), help="on this engine alone")
    parser.add_argument("--share", choices=("all", "day"), default="all", help="all cases, or a cut (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        work = [job for job in jobs(arguments.parts or PLAN) if arguments.engine in (None, job[1])]
    except ValueError as error:
        parser.error(str(error))
    rows = []
    for part, engine in work:
        try:
            with shown_progress() as progress:
                row = run_part(part, engine, share=DAY if arguments.share == "day" else WHOLE, progress=progress)
        except (CampaignError, SimulatorError) as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        rows.append(row)
        counts = ", ".join(f"{name} {count:,}" for name, count in row.items() if isinstance(count, int))
        sys.stderr.write(f"{part} on {engine}: {counts}\n")
    total = {"cases": sum(row["cases"] for row in rows), "nodes": sum(row.get("nodes", 0) for row in rows)}
    if arguments.json:
        sys.stdout.write(json.dumps({**total, "rows": rows}) + "\n")
    else:
        sys.stdout.write(f"{total['cases']:,} faults tried, {total['nodes']:,} nodes: all as it must be\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
