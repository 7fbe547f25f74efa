"""The endpoints: what the application holds, whatever becomes of the wire."""
