"""Tools of a build that are scripts: tests say what they find, and see how they were called."""

import json
import sys

from tests.unit.placed_netlist import flip_flop, netlist

# A stand-in for every tool: notes how it was called, and does what the test's plan.json says.
TOOL = """\
#!{python}
import json, os, pathlib, sys, time
home = pathlib.Path({home!r})
name = pathlib.Path(sys.argv[0]).name
arguments = sys.argv[1:]
plan = json.loads((home / "plan.json").read_text())
if "--version" in arguments:
    print(name, plan.get("version", 1))
    sys.exit()
with (home / "calls").open("a") as calls:
    calls.write(name + " " + " ".join(arguments) + chr(10))
if name == "nextpnr" and "--pack-only" in arguments:
    pathlib.Path(arguments[arguments.index("--write") + 1]).write_text(plan["netlist"])
elif name == "nextpnr":
    seed = arguments[arguments.index("--seed") + 1]
    if plan.get("nextpnr_hangs"):
        (home / "pid").write_text(str(os.getpid()))
        time.sleep(600)
    fmax = plan["fmax"].get(seed)
    if fmax is None:
        sys.exit("Info: placing" + chr(10) + "ERROR: Unable to place cell 'x', no BELs remaining to implement it.")
    print("Info:  1 LCs used as LUT4 and DFF" + chr(10) + "Info:  2 LCs used as DFF only")
    sizes = {{"ICESTORM_LC": 10, "ICESTORM_RAM": 4, "TRELLIS_COMB": 3000, "TRELLIS_FF": 4000, "DP16KD": 7}}
    used = {{cell: {{"used": count}} for cell, count in sizes.items()}}
    clocks = {{"clk": {{"achieved": fmax, "constraint": plan.get("constraint", 12.0)}}}}
    pathlib.Path("report.json").write_text(json.dumps({{"fmax": clocks, "utilization": used}}))
    pathlib.Path("top.asc").write_text("seed " + seed)
    if "--write" in arguments:
        placed = plan.get("placed_by_seed", {{}}).get(seed, plan["placed"])
        pathlib.Path(arguments[arguments.index("--write") + 1]).write_text(placed)
elif name == "yosys":
    if plan.get("yosys_fails"):
        sys.exit("ERROR: Module top is empty.")
    pathlib.Path("top.json").write_text(plan["netlist"])
else:
    pathlib.Path("top.bin").write_text("bits of " + pathlib.Path("top.asc").read_text())
"""


#: As yosys and nextpnr write it, of one flip-flop.
NETLIST = json.dumps(netlist(register=flip_flop("X1/Y1/SLICEA.FF0", M=1, Q=2)))


class Workshop:
    """Scripts for tools, and what they were asked."""

    def __init__(self, home):
        self.home = home
        self.plan(fmax={"1": 20.0})
        self.tools = {}
        for variable, name in (
            ("YOSYS", "yosys"),
            ("NEXTPNR_ICE40", "nextpnr"),
            ("NEXTPNR_ECP5", "nextpnr"),
            ("ICEPACK", "icepack"),
            ("ECPPACK", "ecppack"),
        ):
            script = home / name
            script.write_text(TOOL.format(python=sys.executable, home=str(home)))
            script.chmod(0o755)
            self.tools[variable] = str(script)

    def plan(self, **plan):
        (self.home / "plan.json").write_text(json.dumps({"netlist": NETLIST, "placed": NETLIST} | plan))

    def lines(self):
        """The tools called since the last look, with their arguments."""
        path = self.home / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def calls(self):
        """Names of the tools called since the last look, nextpnr with its seed."""
        words = [line.split() for line in self.lines()]
        return [call[0] + (call[call.index("--seed") + 1] if "--seed" in call else "") for call in words]

    def install(self, monkeypatch):
        """Builds find these tools instead of real ones."""
        for variable, path in self.tools.items():
            monkeypatch.setenv(variable, path)
