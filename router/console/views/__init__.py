"""What the pages show, made from what the services say; without I/O."""
