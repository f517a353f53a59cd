"""Everything that runs without hardware: reference model, simulations of the RTL, benches, the command line."""
