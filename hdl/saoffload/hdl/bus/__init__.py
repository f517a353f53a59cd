"""The two buses: AXI4 reads of host memory, and the AXI4-Lite registers."""
