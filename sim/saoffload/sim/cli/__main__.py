"""`python -m saoffload.sim.cli`: the command line where its script is not on the path."""

from .app import main

main()
