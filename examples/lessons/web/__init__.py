"""The lessons as a page: editor, picture, steps; served on loopback, or, with Python in the browser, from anywhere."""
