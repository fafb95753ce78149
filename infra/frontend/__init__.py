"""Browser libraries of the desk, installed from npm at set-up; none is kept in the repository."""
