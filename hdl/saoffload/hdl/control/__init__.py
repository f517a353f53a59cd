"""The control room: the register map, the bank that serves it, and the queues and latches behind it."""
