"""The portal-facing HTTP API: portals submit cases and follow them until a dermatologist has decided."""
