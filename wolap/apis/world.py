"""The invented market that entitlement events happen in: who exists, who works with whom, who is big.

Real cubes are sparse because the world is: a TV provider has contracts with some programmers, a brand ships a few
applications, a device runs one version. So the world is drawn once as a population of *profiles*, each one client
configuration of one brand with the viewers of one provider, and an event only picks a profile. Every dimension that
does not change from event to event is then a lookup, and combinations that no profile has never occur.

The world hangs on no seed of the caller: events of two seeds may be appended to one cube, and what determines what
(a brand its company, a version its application) holds across both. All published APIs are of this one world, so a
profile has the dimensions of each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wolap.apis.brands import (
    APPLICATION_VERSIONS,
    BROWSER_VERSIONS,
    BROWSERS,
    COMPANIES,
    NSDK_VERSIONS,
    NSDKS,
    PLATFORMS,
    PROVIDERS,
    PROXIES,
    brands,
    category,
)

__all__ = ["PROFILES", "Attribute", "World", "accounts_of_profiles", "dictionary_array", "world"]

Numbers = NDArray[np.intp]
Weights = NDArray[np.float64]
Option = TypeVar("Option", str, tuple[str, str])

PROFILES = 1 << 16
_SEED = 20240820
_REQUESTORS = 300
_DIRECT = 12  # the largest providers are integrated directly; of the others most come through a proxy


@dataclass(frozen=True, slots=True)
class Attribute:
    """A dimension of the profiles: its members and, for each profile, the number of one of them; -1 is null."""

    members: tuple[str, ...]
    codes: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class World:
    """The population: a dimension's attribute by name, and what decides how the flows of a profile end.

    `provider` is the number of a profile's provider, `clientless` whether it signs in on a second screen, `quality`
    how often its provider fails: 0 seldom, 2 often.
    """

    attributes: dict[str, Attribute]
    provider: Numbers
    clientless: NDArray[np.bool_]
    quality: Numbers


@cache
def world() -> World:
    """The one world, made on first use."""
    random = np.random.default_rng(_SEED)
    nobody = np.zeros(PROFILES, np.intp)
    requestor = _draw(random, _zipf(_REQUESTORS, 1.35)[None, :], nobody)
    platform = _draw(random, _platforms_of_requestors(random), requestor)
    provider = _draw(random, _providers_of_requestors(random), requestor)
    clientless = np.array([kind.nsdk is None for kind in PLATFORMS])[platform]
    proxy_of_provider = random.integers(0, len(PROXIES), len(PROVIDERS))
    proxy_of_provider[:_DIRECT] = -1
    proxy_of_provider[random.random(len(PROVIDERS)) < 0.25] = -1
    company_of_requestor = np.concatenate(  # every company has a brand; the further ones go to the large
        [
            random.permutation(len(COMPANIES)),
            _draw(random, _zipf(len(COMPANIES), 0.8)[None, :], np.zeros(_REQUESTORS - len(COMPANIES), np.intp)),
        ]
    )
    requestor_names = brands(tuple(company_of_requestor.tolist()))
    quality_of_provider = random.choice(3, len(PROVIDERS), p=(0.6, 0.3, 0.1))
    attributes = {
        "media-company": _attribute(company_of_requestor[requestor], COMPANIES),
        "proxy": _attribute(proxy_of_provider[provider], PROXIES),
        "mvpd": _attribute(provider, PROVIDERS),
        "requestor-id": _attribute(requestor, requestor_names),
        **_clients(random, requestor, platform, provider),
        **_applications(random, requestor, platform, requestor_names),
    }
    attributes |= _former_clients(np.random.default_rng(_SEED + 1), attributes, platform)
    attributes |= _tenants(company_of_requestor, requestor, platform, requestor_names)
    return World(attributes, provider, clientless, quality_of_provider[provider])


def accounts_of_profiles(people: World, accounts: int) -> tuple[Numbers, Numbers]:
    """The first of the accounts that a profile's events can be of, and how many these are.

    The accounts of a provider are a range of numbers, so that an account has one provider; there are about `accounts`
    in all, and at least one of each.
    """
    popularity = np.bincount(people.provider, minlength=len(PROVIDERS))
    sizes = np.maximum(popularity * accounts // PROFILES, 1)
    return (np.cumsum(sizes) - sizes)[people.provider], sizes[people.provider]


def dictionary_array(codes: NDArray[Any], members: tuple[str, ...]) -> pa.DictionaryArray[Any, Any]:
    """Codes beside their members; below 0 is null."""
    empty = codes < 0
    indices: Any = pa.array(codes, mask=empty) if empty.any() else pa.array(codes)
    return pa.DictionaryArray.from_arrays(indices, pa.array(members, pa.string()))


def _attribute(numbers: Numbers, names: Sequence[str]) -> Attribute:
    """A dimension, its members cut down to those that some profile has."""
    used = np.unique(numbers[numbers >= 0])
    codes = np.where(numbers >= 0, np.searchsorted(used, numbers), -1).astype(np.int16)
    return Attribute(tuple(names[number] for number in used.tolist()), codes)


def _clients(
    random: np.random.Generator, requestor: Numbers, platform: Numbers, provider: Numbers
) -> dict[str, Attribute]:
    """What a profile signs in with: platform, SDK, device, kind of sign-on."""
    nsdk_of_platform = np.array([NSDKS.index(kind.nsdk) if kind.nsdk else -1 for kind in PLATFORMS])
    nsdk = nsdk_of_platform[platform]
    clientless = nsdk < 0
    # A brand stays with a version of an SDK for long: mostly its own, sometimes the next one. No version belongs to
    # two SDKs, their major numbers differ.
    step = (requestor * 7 + platform * 3) % (NSDK_VERSIONS - 1) + (random.random(PROFILES) < 0.2)
    nsdk_version = np.where(clientless, -1, nsdk * NSDK_VERSIONS + step)
    release, releases = _choice_of(random, [kind.versions for kind in PLATFORMS], platform)
    device, devices = _choice_of(random, [kind.devices for kind in PLATFORMS], platform)
    tvos, emberstick = (
        [kind.name for kind in PLATFORMS].index("tvos"),
        [kind.name for kind in PLATFORMS].index("emberstick"),
    )
    outside = random.random(PROFILES) < 0.3
    eap = np.where(outside & (platform == tvos), 0, np.where(outside & (platform == emberstick), 1, -1))
    sso = np.where(eap >= 0, 0, np.where((requestor + provider) % 9 == 0, 1 + requestor % 2, -1))
    api = np.where(clientless, 1 + requestor % 2, np.where(requestor % 4 == 0, 2, 0))
    return {
        "platform": _attribute(platform, [kind.name for kind in PLATFORMS]),
        "nsdk": _attribute(nsdk, NSDKS),
        "nsdk-version": _attribute(
            nsdk_version,
            [f"{2 + sdk}.{step}.{sdk * 3 + step}" for sdk in range(len(NSDKS)) for step in range(NSDK_VERSIONS)],
        ),
        "sso-type": _attribute(sso, ("platform", "partner", "browser")),
        "cdt": _attribute(device, devices),
        "platform-version": _attribute(release, releases),
        "eap": _attribute(eap, ("tvos-account", "emberstick-account")),
        "api": _attribute(api, ("sdk", "rest-v1", "rest-v2")),
        "arch": _attribute(provider % 7 % 3, ("unified", "legacy", "hybrid")),
    }


def _applications(
    random: np.random.Generator, requestor: Numbers, platform: Numbers, requestor_names: Sequence[str]
) -> dict[str, Attribute]:
    """What a brand ships: an application for each platform but the web, in a few versions, with a few channels."""
    pairs = _REQUESTORS * len(PLATFORMS)
    on_web = platform == [kind.name for kind in PLATFORMS].index("web")
    application = np.where(on_web, -1, requestor * len(PLATFORMS) + platform)
    version = np.minimum(random.geometric(0.8, PROFILES) - 1, APPLICATION_VERSIONS - 1)
    names = [f"{brand.lower()}-{kind.name}" for brand in requestor_names for kind in PLATFORMS]
    # The last part is the number of the application, so that a version belongs to one application only.
    versions = [
        f"{1 + number % 9}.{release}.{100 + number}"
        for number in range(pairs)
        for release in range(APPLICATION_VERSIONS)
    ]
    registered = random.random(pairs) < 0.85
    software = [f"{(number * 2654435761 + 97) % 2**32:08x}-{number:04x}" for number in range(pairs)]
    channels = 1 + random.integers(0, 4, _REQUESTORS)
    channel = np.minimum(random.geometric(0.6, PROFILES) - 1, channels[requestor] - 1)
    suites = random.integers(0, 3, _REQUESTORS)  # how many suites of its own a brand's viewers come by
    suite = np.where(platform % 2 < suites[requestor], platform % 2, -1)
    return {
        "application-name": _attribute(application, names),
        "application-version": _attribute(np.where(on_web, -1, application * APPLICATION_VERSIONS + version), versions),
        "channel": _attribute(
            np.where(requestor % 5 == 4, -1, requestor * 4 + channel),
            [f"{brand.lower()}-{kind}" for brand in requestor_names for kind in ("hd", "live", "east", "west")],
        ),
        "application-software-id": _attribute(np.where(registered[application] & ~on_web, application, -1), software),
        "customer-app": _attribute(
            np.where(suite < 0, -1, requestor * 2 + suite),
            [f"{brand.lower()}-{kind}" for brand in requestor_names for kind in ("suite", "tv")],
        ),
    }


def _former_clients(
    random: np.random.Generator, attributes: dict[str, Attribute], platform: Numbers
) -> dict[str, Attribute]:
    """What earlier versions of the APIs asked about a client, and about what it shows."""
    machine, machines = _choice_of(random, [kind.machines for kind in PLATFORMS], platform)
    kinds = list(dict.fromkeys(kind for kind, _ in machines))
    systems = list(dict.fromkeys(system for _, system in machines))
    system = np.array([systems.index(system) for _, system in machines])[machine]
    browsing, families = _choice_of(random, [BROWSERS.get(name, ()) for name in systems], system)
    on_page = np.array([kind.nsdk == "js-sdk" for kind in PLATFORMS])[platform]
    family = np.where(on_page, browsing, -1)
    release, releases = _choice_of(random, [BROWSER_VERSIONS[name] for name in families], browsing)
    # Without an SDK a client speaks to the interface itself, and that is its type then.
    nsdk, nsdk_version, api = (attributes[name] for name in ("nsdk", "nsdk-version", "api"))
    direct = nsdk.codes < 0
    spoken = len(nsdk_version.members) + (api.codes == api.members.index("rest-v2"))
    channel = attributes["channel"]
    shown = [category(name.upper()) for name in channel.members]
    categories = sorted(set(shown))
    category_of_channel = np.array([categories.index(name) for name in shown])
    return {
        "device": _attribute(np.array([kinds.index(kind) for kind, _ in machines])[machine], kinds),
        "os-family": _attribute(system, systems),
        "browser-family": _attribute(family, families),
        "browser-version": _attribute(np.where(on_page, release, -1), releases),
        "sdk-type": _attribute(
            np.where(direct, len(nsdk.members), nsdk.codes).astype(np.intp), (*nsdk.members, "clientless")
        ),
        "sdk-version": _attribute(
            np.where(direct, spoken, nsdk_version.codes).astype(np.intp), (*nsdk_version.members, "rest-1", "rest-2")
        ),
        "content-category": _attribute(np.where(channel.codes < 0, -1, category_of_channel[channel.codes]), categories),
    }


def _tenants(
    company_of_requestor: Numbers, requestor: Numbers, platform: Numbers, requestor_names: Sequence[str]
) -> dict[str, Attribute]:
    """What concurrency monitoring knows: a company as a tenant, its brands as applications, an id on each platform."""
    pairs = range(_REQUESTORS * len(PLATFORMS))
    return {
        "tenant": _attribute(company_of_requestor[requestor], [name.split()[0].lower() for name in COMPANIES]),
        "application": _attribute(requestor, [name.lower() for name in requestor_names]),
        "application-id": _attribute(
            requestor * len(PLATFORMS) + platform,
            [f"{(number * 2246822519 + 41) % 2**32:08x}-{number:04x}" for number in pairs],
        ),
    }


def _choice_of(
    random: np.random.Generator, options: Sequence[Sequence[Option]], owner: Numbers
) -> tuple[Numbers, list[Option]]:
    """For each profile one of its owner's options, the first most often; -1 where there is none."""
    counts = np.array([len(names) for names in options])
    firsts = np.cumsum(counts) - counts
    step = np.minimum(random.geometric(0.6, len(owner)) - 1, counts[owner] - 1)
    names = list(dict.fromkeys(name for offered in options for name in offered))
    number = {name: at for at, name in enumerate(names)}
    numbers = np.array([number[name] for offered in options for name in offered])
    return np.where(counts[owner] > 0, numbers[(firsts[owner] + step) % len(numbers)], -1), names


def _platforms_of_requestors(random: np.random.Generator) -> Weights:
    """Each brand is on the web and on some other platforms, in proportions of its own."""
    offered = random.random((_REQUESTORS, len(PLATFORMS))) < 0.45
    offered[:, :3] |= random.random((_REQUESTORS, 3)) < 0.8
    offered[:, 1] = True
    weights = np.array([kind.weight for kind in PLATFORMS])
    own: Weights = weights * offered * random.gamma(1.2, size=offered.shape)
    return own


def _providers_of_requestors(random: np.random.Generator) -> Weights:
    """Contracts: all brands have the largest providers, few the small ones."""
    signed = random.random((_REQUESTORS, len(PROVIDERS))) < np.where(np.arange(len(PROVIDERS)) < 40, 0.5, 0.2)
    signed[:, :4] = True
    own: Weights = _zipf(len(PROVIDERS), 1.6) * signed * random.gamma(2.0, size=signed.shape)
    return own


def _zipf(count: int, exponent: float) -> Weights:
    weights: Weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return weights


def _draw(random: np.random.Generator, weights: Weights, owner: Numbers) -> Numbers:
    """For each owner a column of its row of weights, as often as the weight says."""
    shares = np.cumsum(weights, axis=1)
    shares /= shares[:, -1:]
    shares += np.arange(len(shares))[:, None]  # the rows end to end are one rising sequence: one search for all
    found = np.searchsorted(shares.ravel(), owner + random.random(len(owner)), side="right")
    drawn: Numbers = np.minimum(found - owner * weights.shape[1], weights.shape[1] - 1)
    return drawn
