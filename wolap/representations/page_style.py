"""The style of all pages: one text in the page itself, light and dark, from a telephone to a wide screen.

Colours keep a contrast of at least 4.5 to 1 against what they stand on (WCAG 2.2, 1.4.3); the lines of a chart differ
in their dashes as well.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

__all__ = ["POLICY", "STYLE"]

STYLE = """
:root{color-scheme:light dark;--ground:#fff;--panel:#f5f6f8;--text:#1c2430;--soft:#545f6e;--line:#d5dae1;
--link:#0b57b7;--accent:#0b57b7;--on-accent:#fff;--s0:#0b57b7;--s1:#b3420c;--s2:#12705a;--s3:#8a2a8f;--s4:#6b5a00;
--s5:#a3143c}
@media(prefers-color-scheme:dark){:root{--ground:#12161d;--panel:#1b212b;--text:#e8ecf2;--soft:#aab4c2;--line:#38424f;
--link:#8ab8ff;--accent:#8ab8ff;--on-accent:#0c1119;--s0:#8ab8ff;--s1:#ffab73;--s2:#6fd6b6;--s3:#e6a2ea;--s4:#e0cb63;
--s5:#ff9db3}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"DejaVu Sans",sans-serif}
a{color:var(--link)}
a:focus-visible,button:focus-visible,input:focus-visible,summary:focus-visible,[tabindex]:focus-visible{
outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
.skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:.5rem;background:var(--ground);padding:.3rem .6rem}
header,main,footer{max-width:84rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1rem}
main{padding-bottom:1rem}
footer{padding:1rem 1.25rem 2rem;color:var(--soft);font-size:.9rem;border-top:1px solid var(--line);margin-top:1rem}
h1{font-size:1.45rem;line-height:1.25;margin:.4rem 0 .2rem}
h2{font-size:1.05rem;margin:1.2rem 0 .4rem}
p{margin:.3rem 0}
.soft{color:var(--soft)}
nav ol,nav ul,ul.chips,ul.legend{list-style:none;padding:0;margin:.3rem 0;display:flex;flex-wrap:wrap;gap:.35rem .5rem;
align-items:center}
.path li+li::before{content:"/";color:var(--soft);margin-right:.5rem}
.path a,.path span{display:inline-block;padding:.1rem 0}
.steps a,.formats a,.chips li{display:inline-block;border:1px solid var(--line);border-radius:1rem;
padding:.15rem .75rem;background:var(--panel);text-decoration:none}
.steps a:hover,.formats a:hover{border-color:var(--accent)}
.label-of{color:var(--soft);margin-right:.25rem}
.chips a{text-decoration:none;font-weight:600;min-width:1.75rem;text-align:center;margin-left:.2rem;
display:inline-block}
.chips li{overflow-wrap:anywhere;white-space:pre-wrap}
.ways{display:flex;flex-wrap:wrap;gap:0 2rem}
form.ask{display:flex;flex-wrap:wrap;gap:.6rem 1rem;align-items:end;margin:.6rem 0}
form.ask label{flex:0 1 13rem}form.ask details{flex:1 0 100%;margin:0}
details{border:1px solid var(--line);border-radius:.5rem;padding:.2rem .8rem;margin:.5rem 0;background:var(--panel)}
details[open]{padding-bottom:.8rem}
summary{cursor:pointer;padding:.25rem 0}
label{display:block;font-size:.9rem}
label.check{display:inline-flex;gap:.35rem;align-items:center;margin:.1rem .9rem .1rem 0;font-size:.95rem}
input:not([type=checkbox]){font:inherit;color:inherit;background:var(--ground);border:1px solid var(--soft);
border-radius:.3rem;padding:.25rem .45rem;width:100%}
input::placeholder{color:var(--soft);opacity:1}
button{font:inherit;color:var(--on-accent);background:var(--accent);border:1px solid var(--accent);border-radius:.3rem;
padding:.25rem .9rem;cursor:pointer}
fieldset{border:1px solid var(--line);border-radius:.3rem;margin:.4rem 0;padding:.3rem .7rem}
.members{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:.5rem 1.2rem}
.members form{display:flex;gap:.4rem;align-items:end}
.members label{flex:1}
figure{margin:1rem 0}
figcaption{font-weight:600}
figure p{font-size:.9rem}
svg{width:100%;height:auto;display:block;max-width:60rem}
svg .label{fill:var(--soft);font-size:12px;text-anchor:middle}
svg .label.end{text-anchor:end}svg .label.start{text-anchor:start}
svg .grid{stroke:var(--line)}svg .axis{stroke:var(--soft)}
svg .line{fill:none;vector-effect:non-scaling-stroke;stroke-width:2;stroke-linejoin:round}
svg .bar{fill:var(--accent)}
.line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1);stroke-dasharray:7 3}.line.s2{stroke:var(--s2);stroke-dasharray:2 3}
.line.s3{stroke:var(--s3);stroke-dasharray:9 3 2 3}.line.s4{stroke:var(--s4);stroke-dasharray:4 2}
.line.s5{stroke:var(--s5);stroke-dasharray:12 4}
.mark.s0{fill:var(--s0)}.mark.s1{fill:var(--s1)}.mark.s2{fill:var(--s2)}.mark.s3{fill:var(--s3)}.mark.s4{fill:var(--s4)}
.mark.s5{fill:var(--s5)}
.key{display:inline-block;width:1.4rem;height:.35rem;margin-right:.35rem;vertical-align:middle;border-radius:2px}
.key.s0{background:var(--s0)}.key.s1{background:var(--s1)}.key.s2{background:var(--s2)}.key.s3{background:var(--s3)}
.key.s4{background:var(--s4)}.key.s5{background:var(--s5)}
.legend{font-size:.9rem}
.table{overflow-x:auto;border:1px solid var(--line);border-radius:.5rem}
table{border-collapse:collapse;width:100%;font-size:.95rem}
caption{text-align:left;padding:.4rem .7rem;color:var(--soft);font-size:.9rem}
th,td{padding:.3rem .7rem;text-align:left;border-top:1px solid var(--line);vertical-align:top}
thead th{background:var(--panel);vertical-align:bottom;border-bottom:2px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}
td:not(.n,.t){white-space:pre-wrap;overflow-wrap:anywhere;min-width:8rem}
td.t,th.t{min-width:0;width:1%;white-space:nowrap;padding-right:1.2rem}
tbody tr:hover{background:var(--panel)}
dl.words{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.2rem 1rem;margin:.3rem 0}
dl.words dt{font-weight:600}dl.words dd{margin:0}
code{font-size:.9em;overflow-wrap:anywhere}
@media(max-width:40rem){body{font-size:15px}header,main{padding-left:.8rem;padding-right:.8rem}
th,td{padding:.3rem .5rem}dl.words{grid-template-columns:1fr}dl.words dd{margin-bottom:.4rem}
.members{grid-template-columns:1fr}svg .label{font-size:22px}svg .more{display:none}form.ask label{flex-basis:100%}}
@media print{form,.formats,.skip,details:not([open]){display:none}}
"""

_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()

# Nothing is loaded, nothing runs, and only this style applies; forms lead to the same server.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
