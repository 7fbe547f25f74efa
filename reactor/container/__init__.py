"""The object that an application holds: the Container with its parts, and the settings of its calls."""
