"""The did-router command."""

import os

# gRPC's core writes lines of its own to stderr; what went wrong is said once, in our words.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
