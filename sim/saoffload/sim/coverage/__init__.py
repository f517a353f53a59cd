"""Which lines of the RTL's source the simulations ran: marks in the Verilog, records of runs, and their report."""
