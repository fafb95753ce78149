"""How Dermatrail is run: the local stack, containers, and the build."""
