"""How long is it from the text of a target to the settled query? A usual request should stay under 20 µs.

The packaged ESM v3 cube is asked, as a programmer: the schema alone, no facts are made or read.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from benchmarks.data import END, PROGRAMMER, declaration
from wolap.language.reader import locate, read_format, read_query, split_target
from wolap.model.query import Query
from wolap.model.schema import Schema

PATH = "/esm/v3/year/month/day/media-company/proxy/mvpd"
MANY = "&".join(f"mvpd=provider-{number}" for number in range(30)) + "&media-company!=a&media-company!=b%26c&dc=N/A"


def schema(zone: str | None = None) -> Schema:
    """The packaged schema, or the same with its calendar in another zone."""
    packaged = declaration().schema
    assert packaged.time is not None
    return replace(packaged, time=replace(packaged.time, zone=zone or packaged.time.zone))


def read(target: str, asked: Schema) -> Query:
    """What the endpoint does before it plans."""
    split = split_target(target)
    location = locate(split, asked)
    assert location is not None
    read_format(split)
    return read_query(split, location, asked, PROGRAMMER, END)


class Read:
    """Usual requests. Schema and calendar keep what they have found out, and so does the reader of dates; the dates of
    the last request were never asked for before."""

    def setup(self) -> None:
        self.packaged, self.in_a_place = schema(), schema("America/Los_Angeles")
        self.number = count()

    def time_bare_path(self) -> None:
        read("/esm/v3/year/month", self.packaged)

    def time_filter_interval_and_metrics(self) -> None:
        said = "media-company=X&start=2024-07&end=2024-08&metrics=authn-attempts,authn-successful"
        read(f"{PATH}?{said}", self.packaged)

    def time_defaults_in_a_place(self) -> None:
        read("/esm/v3/year/month", self.in_a_place)

    def time_many_filters(self) -> None:
        read(f"{PATH}?{MANY}&start=2024-06", self.packaged)

    def time_new_dates(self) -> None:
        number = next(self.number)
        clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.{number}"
        read(f"{PATH}?start=2024-07-01T{clock}&end=2024-08-01T{clock}", self.packaged)
