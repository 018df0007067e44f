"""Finds arguments that a model nobody annotated runs on."""
