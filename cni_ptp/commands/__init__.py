"""One CNI verb a module."""
