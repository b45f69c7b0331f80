"""The other CNI plugins that this file can be called as, by its name."""
