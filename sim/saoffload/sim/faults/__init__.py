"""The fault campaign: everything that can go wrong around the engine, tried one by one, deterministic.

``python -m saoffload.sim.faults`` (run by ``make faults``) tries all of it. Each *part* is a kind of fault, each *case*
one fault in one place; what must come of it is computed, never read off the hardware.
"""
