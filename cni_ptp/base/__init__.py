"""Hold what everything stands on: errors, addresses, JSON. Imports nothing of ours but itself."""
