"""The parts of the dermatrail command."""
