"""Address management: unit, kernel, contract and differential tests."""
