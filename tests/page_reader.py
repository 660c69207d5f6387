"""Pages as a strict reader sees them: elements, links, tables, and forms as a browser sends them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

__all__ = ["Element", "Form", "Page", "read_page"]

# An option with a value needs no end either.
VOID = frozenset({"meta", "link", "input", "option"})
BARE = frozenset({"checked", "required", "open"})
KNOWN = re.compile(
    "html|head|meta|title|link|style|body|a|main|nav|[ou]l|li|span|h1|p|section|b|bdi|form|label|input|datalist|option|"
    "button|fieldset|legend|details|summary|figure|figcaption|svg|desc|g|rect|text|line|polyline|circle|div|table|"
    "caption|thead|tbody|t[rhd]|d[ltd]|code|footer"
)
_TAG = re.compile(r'<[a-z][a-z0-9]*(?: [a-zA-Z][a-zA-Z0-9:-]*(?:="[^"<>]*")?)*/?>')
_REFERENCE = re.compile(r"&(?!(?:amp|lt|gt|quot|#\d{1,3});)")


@dataclass
class Element:
    """A tag with its attributes and what is in it."""

    tag: str
    attributes: dict[str, str]
    inside: list[Element | str] = field(default_factory=list)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Every element below this one of a tag and with these attributes, in the order of the page."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            one for one in self._below() if (not tag or one.tag == tag) and wanted.items() <= one.attributes.items()
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        """The only such element."""
        (found,) = self.all(tag, **attributes)
        return found

    def _below(self) -> Iterator[Element]:
        for part in self.inside:
            if isinstance(part, Element):
                yield part
                yield from part._below()

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(part if isinstance(part, str) else part.text for part in self.inside)

    @property
    def href(self) -> str:
        """Where a link leads."""
        return self.attributes["href"]


@dataclass(frozen=True)
class Form:
    """A form: name and value of each field in order, of boxes those that are checked."""

    action: str
    fields: tuple[tuple[str, str], ...]
    inputs: tuple[Element, ...]

    def sent(self, *, without: tuple[str, ...] = (), **typed: str) -> str:
        """The target that a browser asks when these fields are typed into; boxes of `without` are unchecked."""
        assert set(typed) <= {name for name, _ in self.fields}, "no such field"
        pairs = []
        for name, value in self.fields:
            if f"{name}={value}" not in without:
                pairs.append((name, _as_sent(typed.pop(name, value) if self._is_typed(name) else value)))
        assert not typed, f"{typed} were not typed"
        return f"{self.action}?{urlencode(pairs)}" if pairs else self.action

    def _is_typed(self, name: str) -> bool:
        return any(
            one.attributes.get("name") == name and one.attributes.get("type") in (None, "number") for one in self.inputs
        )


def _as_sent(value: str) -> str:
    """HTML, section 4.10.21.4: every line break in a field is sent as CR LF."""
    return re.sub(r"\r\n|\r|\n", "\r\n", value)


@dataclass(frozen=True)
class Page:
    """A page that has passed every check of its markup."""

    root: Element

    def links(self) -> list[Element]:
        """All links of the page that lead elsewhere."""
        return [one for one in self.root.all("a") if not one.href.startswith("#")]

    def link(self, text: str) -> str:
        """Where the only link of this text leads."""
        (found,) = {one.href for one in self.links() if one.text == text or one.attributes.get("aria-label") == text}
        return found

    def navigation(self, label: str) -> dict[str, str]:
        """The links of the navigation of this name; none where there is no such one."""
        found = [nav for nav in self.root.all("nav") if nav.attributes["aria-label"] == label]
        return {one.text: one.href for nav in found for one in nav.all("a")}

    @property
    def header(self) -> list[str]:
        """The headings of the table."""
        return [cell.text for cell in self.root.one("thead").all("th")]

    @property
    def rows(self) -> list[list[Element]]:
        """The cells of the table."""
        return [row.all("td") for row in self.root.one("tbody").all("tr")]

    @property
    def records(self) -> list[list[str]]:
        """The texts of the table."""
        return [[cell.text for cell in row] for row in self.rows]

    def column(self, heading: str) -> list[str]:
        """The texts below a heading."""
        place = self.header.index(heading)
        return [record[place] for record in self.records]

    def total(self, heading: str) -> int:
        """The sum of a column of whole numbers."""
        return sum(int(text.replace(",", "")) for text in self.column(heading) if text != "–")

    @property
    def caption(self) -> str:
        """How many records there are."""
        return self.root.one("caption").text

    @property
    def is_whole(self) -> bool:
        """Whether all records are shown."""
        return not self.caption.startswith("The first")

    @property
    def chips(self) -> list[str]:
        """The filters, as they are shown."""
        (listed,) = self.root.all("ul", class_="chips") or [Element("ul", {})]
        return [re.sub("[≠×]*$", "", one.text) for one in listed.all("li")]

    def forms(self) -> list[Form]:
        """All forms of the page."""
        return [_form(one) for one in self.root.all("form")]

    def form(self, button: str) -> Form:
        """The form with this button."""
        (found,) = [
            form
            for form in self.root.all("form")
            if any(button in (one.text, one.attributes.get("aria-label")) for one in form.all("button"))
        ]
        return _form(found)


def _form(form: Element) -> Form:
    assert set(form.attributes) <= {"action", "class"}
    inputs = form.all("input")
    sent = [one for one in inputs if one.attributes.get("type") != "checkbox" or "checked" in one.attributes]
    fields = tuple((one.attributes["name"], one.attributes.get("value", "")) for one in sent)
    return Form(form.attributes["action"], fields, tuple(inputs))


class _Reader(HTMLParser):
    """Fails on whatever a browser would have to guess."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]
        self.doctype = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raw = self.get_starttag_text() or ""
        assert _TAG.fullmatch(raw), raw
        assert KNOWN.fullmatch(tag), raw
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"an attribute twice: {raw}"
        assert all((value is None) == (name in BARE) for name, value in attrs), raw
        assert not [name for name in names if name.startswith("on") or name in ("style", "src", "srcset")], raw
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(element)
        if tag not in VOID and not raw.endswith("/>"):
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert any(one.tag == "svg" for one in self.open), f"<{tag}/> outside of a drawing"
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> where <{self.open[-1].tag}> is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)

    def handle_decl(self, decl: str) -> None:
        assert not self.doctype
        self.doctype = decl

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")


def read_page(body: bytes) -> Page:
    """Reads a page and checks it: quoted attributes, balanced tags, single ids, labels with their control, names for
    what has none of its own, nothing that loads or runs."""
    text = body.decode()
    assert not _REFERENCE.search(text), "an & that begins no reference"
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", text), "a control character"
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == [reader.root], f"<{reader.open[-1].tag}> is left open"
    assert reader.doctype == "DOCTYPE html"
    root = reader.root
    _check_ids(root)
    _check_names(root)
    _check_addresses(root)
    return Page(root)


def _check_ids(root: Element) -> None:
    ids = [one.attributes["id"] for one in root.all() if "id" in one.attributes]
    assert len(set(ids)) == len(ids), "an id twice"
    assert all(re.fullmatch(r"\S+", name) for name in ids)
    for one in root.all():
        for name in ("aria-labelledby", "for", "list"):
            assert set(one.attributes.get(name, "").split()) <= set(ids), f"{name} of nothing"
    for one in root.all("input"):
        if "list" in one.attributes:
            assert root.all(id=one.attributes["list"])[0].tag == "datalist"


def _check_names(root: Element) -> None:
    assert root.one("html").attributes["lang"]
    assert root.one("head").one("title").text.strip()
    assert len(root.all("h1")) == len(root.all("main")) == len(root.all("footer")) == 1
    labelled = []
    for label in root.all("label"):
        (control,) = label.all("input")
        assert label.text.strip(), "a label says nothing"
        labelled.append(id(control))
    shown = [one for one in root.all("input") if one.attributes.get("type") != "hidden"]
    assert sorted(labelled) == sorted(map(id, shown)), "an input without a label"
    for one in (*root.all("a"), *root.all("button"), *root.all("summary"), *root.all("legend")):
        assert one.text.strip() or one.attributes.get("aria-label"), f"a {one.tag} without a name"
    for one in root.all("nav"):
        assert one.attributes["aria-label"]
    for one in root.all("th"):
        assert one.attributes["scope"] == "col"
    for one in root.all("svg"):
        assert one.attributes["role"] == "img"
        assert one.attributes["aria-labelledby"]


def _check_addresses(root: Element) -> None:
    (icon,) = root.all("link")
    assert icon.attributes == {"rel": "icon", "href": "data:,"}
    for one in root.all("a"):
        assert re.match("/|#records$", one.href), one.href
        assert not one.href.startswith("//")
        assert not re.search(r"[\s<>\"\\^`{|}]|[^\x21-\x7e]", one.href), f"no address: {one.href!r}"
    assert "url(" not in root.one("style").text
    assert "@import" not in root.one("style").text
