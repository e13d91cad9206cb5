"""The did-router command."""

import os

# Silences gRPC's own lines on stderr: the commands report errors themselves.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
