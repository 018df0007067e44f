"""A Report as text: one module per format, each with `render(report) -> str`. Nothing here prints or reads files."""
