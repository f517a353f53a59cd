"""What runs on the host: the driver, the transports it works over, and builders of lists and bundles."""
