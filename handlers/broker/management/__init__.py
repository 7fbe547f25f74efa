"""Management: a broker as plain data, and the actions that change it."""
