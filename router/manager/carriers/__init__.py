"""Carriers: asked before a number becomes ours, and informed when it no longer is. Plug-ins by entry point."""
