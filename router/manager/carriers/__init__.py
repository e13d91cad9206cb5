"""Carriers: who is asked for a number before it is ours, and told when it no longer is. Plug-ins by entry point."""
