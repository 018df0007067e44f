"""Which part of the output goes to the loss, and which of its axes is which."""
