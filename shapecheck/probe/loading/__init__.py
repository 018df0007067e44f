"""Imports what a target names out of the user's own code, as it is."""
