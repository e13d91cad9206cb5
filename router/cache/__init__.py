"""Redis: what it holds for a number, who may write it, and how it is read."""
