"""How fast, measured: a module for each question, run by asv (`asv.conf.json`), and programs that compare.

    cd benchmarks && asv run --quick --python=same --show-stderr
    python -m benchmarks.peers --rows 20_000_000
    python -m benchmarks.report
    python -m benchmarks.ratios

Facts are made up by `wolap.apis.events` with a fixed end, the same in every run. How many there are says the
environment variable WOLAP_BENCHMARK_ROWS: 100,000 unless it is set; 1_000_000 or 20_000_000 to see more than
overhead.
"""

import sys
from pathlib import Path

# asv imports this folder alone. Last, so that a wolap that is installed is the one that is measured.
sys.path.append(str(Path(__file__).parent.parent))
