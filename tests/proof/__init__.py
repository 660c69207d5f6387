"""The proof: random questions to random cubes, by every right plan and by an oracle (docs/contributing.md)."""
