"""The endpoints: the objects that the application holds; they survive the wire."""
