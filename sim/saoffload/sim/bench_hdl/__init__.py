"""Hardware for measuring, none of it the product: host memory, a stopwatch, the walker that everybody would write."""
