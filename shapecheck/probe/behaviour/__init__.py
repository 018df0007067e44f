"""What the model does to its batch and its axes, and to its output on the way."""
