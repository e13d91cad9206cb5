"""Redis: its client, its keys, its scripts, and the stores of entries, checkpoints and reference documents."""
