"""Hold the protocol: environment, configuration, results, and the names derived from an attachment."""
