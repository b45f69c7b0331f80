"""The pair of links that joins a container to its host."""
