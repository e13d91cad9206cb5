"""What the service counts and records of its calls."""
