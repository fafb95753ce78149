"""The portal's side of the API: a typed client that needs nothing else of ours."""
