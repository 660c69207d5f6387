"""Which format, by table (W40, W41; RFC 9110, section 12.5.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolap.errors import UnsupportedFormat
from wolap.web.negotiation import FORMATS, negotiate

JSON, HAL, CSV, HTML, REFUSED = "application/json", "application/hal+json", "text/csv", "text/html", None
XML, TEXT_XML, HAL_XML = "application/xml", "text/xml", "application/hal+xml"

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
CHROME += ",application/signed-exchange;v=b3;q=0.7"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
SAFARI = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CURL, URLLIB, POWER_QUERY = "*/*", None, "*/*"
R_HTTR = "application/json, text/xml, application/xml, */*"
JQUERY = "application/json, text/javascript, */*; q=0.01"
EXCEL = "image/gif, image/jpeg, image/pjpeg, application/x-ms-application, application/vnd.ms-excel, */*"
ANGULAR = "application/json, text/plain, */*"
ESM_CLIENT = "application/hal+json,application/json;q=0.9"

# Extension, `format`, Accept; what is served.
TABLE = (
    # The first that is present decides.
    (None, None, None, JSON),
    ("json", None, None, JSON),
    ("csv", None, None, CSV),
    (None, "json", None, JSON),
    (None, "csv", None, CSV),
    ("json", "csv", None, JSON),
    ("csv", "json", None, CSV),
    ("csv", "xml", None, CSV),
    ("csv", None, JSON, CSV),
    ("json", None, CSV, JSON),
    ("json", None, HAL, JSON),
    ("json", None, "image/png", JSON),
    (None, "csv", "image/png", CSV),
    (None, "csv", "text/csv;q=0", CSV),
    ("xml", None, None, XML),
    ("html", None, None, HTML),
    ("csv-safe", None, None, CSV),
    ("xml", "json", JSON, XML),
    ("xlsx", None, None, REFUSED),
    ("xlsx", "json", JSON, REFUSED),
    ("JSON", None, None, REFUSED),
    ("", None, None, REFUSED),
    ("json.gz", None, None, REFUSED),
    (None, "xml", None, XML),
    (None, "html", JSON, HTML),
    (None, "csv-safe", HTML, CSV),
    (None, "htm", HTML, REFUSED),
    (None, "CSV", None, REFUSED),
    (None, "text/csv", None, REFUSED),
    (None, " csv", None, REFUSED),
    # Nothing in the header is as none.
    (None, None, "", JSON),
    (None, None, "  ", JSON),
    # One range.
    (None, None, JSON, JSON),
    (None, None, HAL, HAL),
    (None, None, CSV, CSV),
    (None, None, "TEXT/CSV", CSV),
    (None, None, "Application/HAL+JSON", HAL),
    (None, None, " text/csv ", CSV),
    (None, None, "\ttext/csv\t", CSV),
    (None, None, "*/*", JSON),
    (None, None, "application/*", JSON),
    (None, None, "text/*", CSV),
    (None, None, HTML, HTML),
    (None, None, XML, XML),
    (None, None, TEXT_XML, TEXT_XML),
    (None, None, HAL_XML, HAL_XML),
    (None, None, "application/xhtml+xml", REFUSED),
    (None, None, "text/plain", REFUSED),
    (None, None, "image/*", REFUSED),
    # Parameters of a media type are not looked at.
    (None, None, "text/csv;charset=utf-8", CSV),
    (None, None, "text/csv; header=present", CSV),
    (None, None, "application/json;odata=verbose", JSON),
    # Weights.
    (None, None, "application/json;q=0.5, text/csv", CSV),
    (None, None, "application/json;q=0.5, text/csv;q=0.6", CSV),
    (None, None, "application/json;q=0.6, text/csv;q=0.5", JSON),
    (None, None, "text/csv;q=0.501, application/json;q=0.5", CSV),
    (None, None, "text/csv; Q=0.5, application/json; q=0.4", CSV),
    (None, None, "text/csv ; q=1.000 , application/json ; q=0.999", CSV),
    (None, None, "text/csv;charset=utf-8;q=0.9, application/json;q=0.8", CSV),
    (None, None, "text/csv, application/json", JSON),
    (None, None, "application/hal+json, application/json", JSON),
    (None, None, ESM_CLIENT, HAL),
    (None, None, "application/json;q=0.9, application/hal+json", HAL),
    # The most specific range gives the weight.
    (None, None, "*/*, application/json;q=0.1", HAL),
    (None, None, "application/*;q=0.2, text/csv;q=0.3", CSV),
    (None, None, "application/*;q=0.4, */*;q=0.9", CSV),
    (None, None, "text/*;q=0.9, */*;q=0.1", CSV),
    (None, None, "*/*;q=0.1, text/csv", CSV),
    (None, None, "text/html, */*;q=0.01", HTML),
    (None, None, "image/png, */*;q=0.01", JSON),
    # Of equals the one that is named more closely, then JSON, CSV, XML, HTML.
    (None, None, "text/html, */*", HTML),
    (None, None, "*/*, text/html", HTML),
    (None, None, "text/*, */*", CSV),
    (None, None, "text/html, text/*", HTML),
    (None, None, "text/html, application/xml", XML),
    (None, None, "text/html;q=0.5, */*;q=0.6", JSON),
    # A weight of 0 forbids.
    (None, None, "*/*;q=0", REFUSED),
    (None, None, "application/json;q=0", REFUSED),
    (None, None, "application/json;q=0, */*", HAL),
    (None, None, "application/json;q=0, application/hal+json;q=0.0, */*", CSV),
    (None, None, "application/*;q=0, */*;q=0.5", CSV),
    (None, None, "application/*;q=0, application/json", JSON),
    (None, None, "text/csv;q=0.000, text/*", TEXT_XML),
    (None, None, "text/csv;q=0, text/xml;q=0, text/*", HTML),
    (None, None, "text/csv;q=0, text/xml;q=0, text/html;q=0, text/*", REFUSED),
    (None, None, "*/*;q=0, text/csv;q=0.001", CSV),
    # A quoted text may hold a comma, and what looks like a weight.
    (None, None, 'text/html;x="a,b";q=0.1, text/csv;q=0.5', CSV),
    (None, None, 'text/html;x=";q=1";q=0.1, text/csv;q=0.5', CSV),
    (None, None, 'text/html;x="\\",";q=0.1, text/csv;q=0.5', CSV),
    (None, None, 'text/html;x="a, text/csv', CSV),  # a quote that never ends is none
    # What is no range is passed over.
    (None, None, "json", REFUSED),
    (None, None, "*", REFUSED),
    (None, None, "*/json", REFUSED),
    (None, None, "text/", REFUSED),
    (None, None, "/csv", REFUSED),
    (None, None, "text/csv/x", REFUSED),
    (None, None, "text csv", REFUSED),
    (None, None, ",,,", REFUSED),
    (None, None, ", ,text/csv,", CSV),
    (None, None, "rubbish, text/csv;q=0.1", CSV),
    (None, None, "text/csv;q=2", REFUSED),
    (None, None, "text/csv;q=-1, application/json;q=0.1", JSON),
    (None, None, "text/csv;q=0.1234, application/json;q=0.1", JSON),
    (None, None, "text/csv;q=, application/json", JSON),
    (None, None, "text/csv;q=high", REFUSED),
    (None, None, "text/csv;q=.", REFUSED),
    (None, None, "text/csv;q=.9, application/json;q=0.", CSV),
    # Clients as they are: people get a page, programs JSON, and what they ask for by name.
    (None, None, CHROME, HTML),
    (None, None, FIREFOX, HTML),
    (None, None, SAFARI, HTML),
    ("csv", None, CHROME, CSV),
    (None, "json", FIREFOX, JSON),
    (None, None, CURL, JSON),  # also requests, httpx, wget, fetch, urllib3, LibreOffice
    (None, None, URLLIB, JSON),  # pandas.read_json sends no Accept
    ("csv", None, URLLIB, CSV),  # pandas.read_csv of an address with its extension
    (None, None, R_HTTR, JSON),
    (None, None, ANGULAR, JSON),  # also axios
    (None, None, JQUERY, JSON),
    (None, None, POWER_QUERY, JSON),
    ("csv", None, EXCEL, CSV),
    (None, None, EXCEL, JSON),
    (None, None, JAVA, HTML),  # it says so
    (None, None, "application/vnd.ms-excel, text/csv, */*;q=0.1", CSV),
    (None, None, "text/csv,text/plain;q=0.9,*/*;q=0.5", CSV),
)


@pytest.mark.parametrize(("extension", "parameter", "accept", "expected"), TABLE)
def test_table(extension: str | None, parameter: str | None, accept: str | None, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(UnsupportedFormat):
            negotiate(extension, parameter, accept)
        return
    choice = negotiate(extension, parameter, accept)
    assert choice.media_type == expected
    assert choice.media_type in FORMATS[choice.format][0]
    assert choice.by_header == (extension is None and parameter is None)


@pytest.mark.parametrize(
    ("extension", "parameter", "accept", "said"),
    [
        ("xlsx", None, None, "extension 'xlsx' is not served; formats are "),
        (None, "yaml", None, "format 'yaml' is not served; formats are "),
        (None, None, "image/png", "Accept 'image/png' fits nothing that is served; media types are application/json"),
    ],
)
def test_a_refusal_lists_what_is_served(
    extension: str | None, parameter: str | None, accept: str | None, said: str
) -> None:
    with pytest.raises(UnsupportedFormat) as refused:
        negotiate(extension, parameter, accept)
    assert str(refused.value).startswith(said)
    assert "json" in str(refused.value)
    assert "csv" in str(refused.value)


SIGNS = st.text(alphabet="acjnostvxhl+*/;,=q.0159 \t\"'-", max_size=80)
RANGES = st.sampled_from(
    [JSON, HAL, CSV, "*/*", "text/*", "application/*", "text/html", ";q=0", ";q=0.5", ",", " ", "x"]
)


@given(SIGNS | st.lists(RANGES, max_size=12).map("".join) | st.text(max_size=80))
def test_any_header_is_served_or_refused(accept: str) -> None:
    try:
        choice = negotiate(None, None, accept)
    except UnsupportedFormat:
        return
    assert choice.media_type in FORMATS[choice.format][0]


@given(st.permutations(["application/json;q=0.3", "application/*;q=0.7", "text/csv;q=0.5", "*/*;q=0.1", "image/png"]))
def test_the_order_of_ranges_means_nothing(ranges: list[str]) -> None:
    assert negotiate(None, None, ", ".join(ranges)).media_type == HAL


def test_a_header_of_many_ranges_is_read_in_part() -> None:
    assert negotiate(None, None, "x/y," * 100 + "text/csv").media_type == CSV
    with pytest.raises(UnsupportedFormat):
        negotiate(None, None, "x/y," * 100_000 + "text/csv")
