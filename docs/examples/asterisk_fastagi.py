"""A FastAGI server for Asterisk: sets variables of the channel to what did-router says.

Run it as `python asterisk_fastagi.py 127.0.0.1:50051 4573`: where did-router is, and the port for Asterisk.
"""

import socketserver
import sys

from did_lookup import open_client

CAUSES = {404: 1, 480: 20, 503: 42}
"""Q.850 causes for Hangup(): Asterisk makes these SIP responses of them."""


class Handler(socketserver.StreamRequestHandler):
    """One call: Asterisk sends its variables, then answers one line for each command."""

    timeout = 5

    def handle(self) -> None:
        """Look up the first argument, or the extension."""
        given = dict(self._variables())
        answer = self.server.router.lookup(given.get("agi_arg_1") or given.get("agi_extension", ""))
        route = answer.route
        self._set("DID_STATUS", "OK" if route else answer.reason or answer.status)
        if route is None:
            self._set("DID_CAUSE", str(CAUSES[answer.sip[0]]))
            return
        self._set("DID_ACCOUNT", route.account_id)
        self._set("DID_NUMBER", route.number)
        self._set("DID_PREPEND", route.prepend)
        self._set("DID_PENDING_PORT", "1" if route.pending_port else "0")

    def _variables(self):
        while line := self.rfile.readline().decode("utf-8", "replace").strip():
            name, _, value = line.partition(": ")
            yield name, value

    def _set(self, name: str, value: str) -> None:
        safe = value.replace("\\", "").replace('"', "")
        self.wfile.write(f'SET VARIABLE {name} "{safe}"\n'.encode())
        self.rfile.readline()


class Server(socketserver.ThreadingTCPServer):
    """One process and one channel to did-router for all calls: starting Python for each would cost more than asking."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, target: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.router = open_client(target)


if __name__ == "__main__":
    with Server(sys.argv[1], int(sys.argv[2])) as server:
        server.serve_forever()
