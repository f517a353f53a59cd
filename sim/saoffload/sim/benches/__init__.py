"""What runs inside the simulator's process: benches and the models of what surrounds the engine."""
