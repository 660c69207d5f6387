"""How long is a whole request, from its target to the bytes of the report? The median should stay under 0.5 ms.

One projection of about 10 thousand rows answers all of them; "day x dc" makes about 250 records of all its rows.
"""

from __future__ import annotations

from benchmarks.data import END, HEADLINE, PROGRAMMER, PROJECTION, TARGETS, small_cube, target
from wolap.web.endpoint import Endpoint, Request, Response


class Client:
    """Sends one target again and again."""

    def __init__(self, name: str) -> None:
        self.endpoint = Endpoint(small_cube())
        self.target = target(name)
        response = self.ask()
        assert response.status == 200, response.body
        assert (response.header("Wolap-Projection") or "").partition(";")[0] == PROJECTION
        if name == HEADLINE:
            assert response.header("Wolap-Rows") == "252/252"

    def ask(self) -> Response:
        """One request. Nothing is kept from one to the next but what the cube keeps."""
        return self.endpoint.respond(Request("GET", self.target, principal=PROGRAMMER), END)


class Respond:
    params = tuple(TARGETS)
    param_names = ("target",)

    def setup(self, name: str) -> None:
        self.client = Client(name)

    def time_request(self, name: str) -> None:
        self.client.ask()
