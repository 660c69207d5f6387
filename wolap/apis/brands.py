"""The names in the invented market: companies, brands, providers and client platforms, all made of syllables.

Nobody real is meant. Numbers that other modules use are positions in these tuples; providers and brands stand in the
order of their size.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "APPLICATION_VERSIONS",
    "COMPANIES",
    "NSDKS",
    "NSDK_VERSIONS",
    "PLATFORMS",
    "PROVIDERS",
    "PROXIES",
    "Platform",
    "brands",
]

_ONSETS = ("Vel", "Mar", "Ost", "Kor", "Tal", "Bre", "Ilm", "Nov", "Quar", "Zen", "Hed", "Lun", "Pax", "Rov", "Sey")
_ENDINGS = ("oria", "andis", "umber", "ekto")
_GENRES = (
    "NEWS", "SPORT", "KIDS", "MOVIES", "LIFE", "MUSIC", "NATURE", "COMEDY", "DRAMA", "FOOD", "TRAVEL", "CLASSIC",
    "SCIENCE", "HISTORY", "CRIME", "HOME", "GOLF", "TEENS", "LOCAL", "WORLD", "GAMES", "AUTO", "FAITH", "ARTS",
)  # fmt: skip
_PROVIDER_ONSETS = (
    "Arvo", "Belto", "Cindra", "Dorvik", "Elmet", "Farro", "Gildo", "Harvo", "Indra", "Jorvi", "Kelmo", "Lorvo",
    "Mendra", "Norvo", "Olmet", "Pervo", "Quilo", "Rilvo", "Sorvo", "Tolvik", "Ulmet", "Vindro", "Wervo", "Yelmo",
    "Zarvo",
)  # fmt: skip
_PROVIDER_ENDINGS = ("Cable", "Fiber", "Vision", "Tel", "Link", "_coop", "_rural", "_telco", "_county", "_valley")

COMPANIES = tuple(f"{onset}{ending} Media" for ending in _ENDINGS for onset in _ONSETS)
PROVIDERS = tuple(f"{onset}{ending}" for ending in _PROVIDER_ENDINGS for onset in _PROVIDER_ONSETS)
PROXIES = tuple(f"{onset}Gate" for onset in _ONSETS[:12])


def brands(companies: tuple[int, ...]) -> tuple[str, ...]:
    """One brand for each entry, which is the number of its company; no two of a company have one name."""
    names: list[str] = []
    before = [0] * len(COMPANIES)
    for company in companies:
        edition, genre = divmod(before[company], len(_GENRES))
        stem = COMPANIES[company].split()[0].upper()
        names.append(f"{stem}-{_GENRES[genre]}" + (f"-{edition + 1}" if edition else ""))
        before[company] += 1
    return tuple(names)


@dataclass(frozen=True, slots=True)
class Platform:
    """A kind of client. Without a native SDK it is clientless: it signs in with a code on a second screen."""

    name: str
    nsdk: str | None
    weight: float
    versions: tuple[str, ...]
    devices: tuple[str, ...] = ()


PLATFORMS = (
    Platform("streambar", None, 16, ("12.0", "11.5", "13.0"), ("streambar-one", "streambar-duo", "streambar-tv")),
    Platform("web", "js-sdk", 18, ("118", "117", "116", "115")),
    Platform("ios", "ios-sdk", 14, ("17.5", "17.4", "16.7", "15.8")),
    Platform("emberstick", None, 13, ("8.1", "7.6"), ("emberstick-lite", "emberstick-4k")),
    Platform("android", "android-sdk", 12, ("14", "13", "12", "11")),
    Platform("tvos", "tvos-sdk", 9, ("17.5", "17.4", "16.6")),
    Platform("androidtv", "android-sdk", 6, ("12", "11", "9")),
    Platform("glasstv", None, 5, ("6.0", "5.5"), ("glasstv-55", "glasstv-65")),
    Platform("playdeck", None, 3, ("10.5", "9.0"), ("playdeck-s", "playdeck-x")),
    Platform("settop", None, 2, ("2.4", "2.2"), ("settop-a", "settop-b")),
    Platform("windows", "js-sdk", 2, ("11", "10")),
    Platform("macos", "js-sdk", 2, ("14.5", "13.6")),
)
NSDKS = tuple(dict.fromkeys(platform.nsdk for platform in PLATFORMS if platform.nsdk))
NSDK_VERSIONS = 5
APPLICATION_VERSIONS = 3
