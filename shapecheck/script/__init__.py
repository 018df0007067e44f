"""The user's own training script: run up to its first update, with its loss calls checked where they stand. Imports torch."""
