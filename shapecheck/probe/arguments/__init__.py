"""Finds values for the constructor arguments that nobody gave: from calls in the user's code, names and exceptions."""
