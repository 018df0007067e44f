"""Checks in a running session: `watch()` for a block of a program, `install()` for a whole process. Imports torch."""
