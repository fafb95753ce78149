"""Pictures of the main pages for docs/screenshots: `make screenshots`."""
