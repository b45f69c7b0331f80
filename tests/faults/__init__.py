"""What happens when a step fails: nothing may be left behind, and nobody harmed."""
