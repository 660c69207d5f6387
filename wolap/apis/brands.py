"""The names in the invented market: companies, brands, providers and client platforms, all made of syllables.

Nobody real is meant. Numbers that other modules use are positions in these tuples; providers and brands stand in the
order of their size.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "APPLICATION_VERSIONS",
    "BROWSERS",
    "BROWSER_VERSIONS",
    "COMPANIES",
    "NSDKS",
    "NSDK_VERSIONS",
    "PLATFORMS",
    "PROVIDERS",
    "PROXIES",
    "Platform",
    "brands",
    "category",
]

_ONSETS = ("Vel", "Mar", "Ost", "Kor", "Tal", "Bre", "Ilm", "Nov", "Quar", "Zen", "Hed", "Lun", "Pax", "Rov", "Sey")
_ENDINGS = ("oria", "andis", "umber", "ekto")
# What brands are about, and what that is filed under.
_GENRES = {
    "NEWS": "news", "SPORT": "sport", "KIDS": "children", "MOVIES": "films", "LIFE": "living", "MUSIC": "music",
    "NATURE": "knowledge", "COMEDY": "series", "DRAMA": "series", "FOOD": "living", "TRAVEL": "living",
    "CLASSIC": "films", "SCIENCE": "knowledge", "HISTORY": "knowledge", "CRIME": "series", "HOME": "living",
    "GOLF": "sport", "TEENS": "children", "LOCAL": "news", "WORLD": "news", "GAMES": "sport", "AUTO": "sport",
    "FAITH": "living", "ARTS": "knowledge",
}  # fmt: skip
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
    genres = tuple(_GENRES)
    names: list[str] = []
    before = [0] * len(COMPANIES)
    for company in companies:
        edition, genre = divmod(before[company], len(genres))
        stem = COMPANIES[company].split()[0].upper()
        names.append(f"{stem}-{genres[genre]}" + (f"-{edition + 1}" if edition else ""))
        before[company] += 1
    return tuple(names)


def category(brand: str) -> str:
    """What a brand's genre is filed under."""
    return _GENRES[brand.split("-")[1]]


@dataclass(frozen=True, slots=True)
class Platform:
    """A kind of client. Without a native SDK it is clientless: it signs in with a code on a second screen.

    `devices` are the device types that a clientless application tells, `machines` what it runs on as everybody sees
    it: a kind of device and its operating system, the usual one first.
    """

    name: str
    nsdk: str | None
    weight: float
    versions: tuple[str, ...]
    machines: tuple[tuple[str, str], ...]
    devices: tuple[str, ...] = ()


_STREAMBAR = (("streaming-stick", "streambar-os"), ("tv", "streambar-os"))
_BROWSING = (
    ("computer", "windows"), ("computer", "macos"), ("phone", "ios"), ("phone", "android"), ("tablet", "ios"),
    ("computer", "chromeos"), ("computer", "linux"),
)  # fmt: skip
PLATFORMS = (
    Platform(
        "streambar", None, 16, ("12.0", "11.5", "13.0"), _STREAMBAR, ("streambar-one", "streambar-duo", "streambar-tv")
    ),
    Platform("web", "js-sdk", 18, ("118", "117", "116", "115"), _BROWSING),
    Platform("ios", "ios-sdk", 14, ("17.5", "17.4", "16.7", "15.8"), (("phone", "ios"), ("tablet", "ios"))),
    Platform(
        "emberstick", None, 13, ("8.1", "7.6"), (("streaming-stick", "ember-os"),), ("emberstick-lite", "emberstick-4k")
    ),
    Platform("android", "android-sdk", 12, ("14", "13", "12", "11"), (("phone", "android"), ("tablet", "android"))),
    Platform("tvos", "tvos-sdk", 9, ("17.5", "17.4", "16.6"), (("streaming-box", "tvos"),)),
    Platform("androidtv", "android-sdk", 6, ("12", "11", "9"), (("tv", "android"), ("streaming-box", "android"))),
    Platform("glasstv", None, 5, ("6.0", "5.5"), (("tv", "glass-os"),), ("glasstv-55", "glasstv-65")),
    Platform("playdeck", None, 3, ("10.5", "9.0"), (("console", "deck-os"),), ("playdeck-s", "playdeck-x")),
    Platform("settop", None, 2, ("2.4", "2.2"), (("set-top-box", "linux"),), ("settop-a", "settop-b")),
    Platform("windows", "js-sdk", 2, ("11", "10"), (("computer", "windows"), ("tablet", "windows"))),
    Platform("macos", "js-sdk", 2, ("14.5", "13.6"), (("computer", "macos"),)),
)
NSDKS = tuple(dict.fromkeys(platform.nsdk for platform in PLATFORMS if platform.nsdk))
NSDK_VERSIONS = 5
APPLICATION_VERSIONS = 3

# The browsers of an operating system, the usual one first, and the versions of each, which no two have in common.
BROWSERS = {
    "windows": ("Lumen", "Quarto", "Drift"),
    "macos": ("Wren", "Lumen", "Drift"),
    "ios": ("Wren", "Lumen"),
    "android": ("Lumen", "Drift"),
    "chromeos": ("Lumen",),
    "linux": ("Drift", "Lumen"),
}
BROWSER_VERSIONS = {
    "Lumen": ("126.0", "125.0", "124.0", "109.0"),
    "Wren": ("17.5", "17.4", "16.6"),
    "Drift": ("127.1", "115.12"),
    "Quarto": ("126.2", "125.2"),
}
