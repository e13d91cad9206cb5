"""Features: requested by public fields, switched on and off by providers. Plug-ins by entry point."""
