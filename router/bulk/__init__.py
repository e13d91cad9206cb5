"""Many numbers at a time: rows of files in, a result for each out; memory stays the same however many."""
