"""The lessons as a site of plain files, with Python in the browser."""
