"""Features: what public fields ask for and providers switch on and off. Plug-ins by entry point."""
