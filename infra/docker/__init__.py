"""What runs inside the containers, beside the application itself."""
