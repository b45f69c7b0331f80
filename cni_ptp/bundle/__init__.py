"""Make and start the built file; everything runs from sources without it, but for the build."""
