"""The RTL. It imports amaranth and nothing else."""
