"""Make the compact copy of the Open Bandit sample from the obp wheel.

    pip download obp==0.4.1 --no-deps --dest DOWNLOADS
    python scripts/make_open_bandit.py DOWNLOADS/obp-0.4.1-py3-none-any.whl

Six logs of 10,000 rows each (three campaigns × two policies). Kept: item, position, click and, for Thompson sampling,
the propensity, bit for bit as the decimal text of the log reads in float64 (the uniform policy's is 1/K in every row,
which is checked here). Left out: the hashed user features, affinities and timestamps; rows stay in the order of time.
The archive is not compressed: its bytes then depend on the data alone, not on the version of a compression library.
"""

import argparse
import csv
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

WHEEL = "87dec9caf4283c25ab13036532e0a24566f1c7bdcad1653a8ded43b2f5ef8208"
CAMPAIGNS = {"all": 80, "men": 34, "women": 46}
TARGET = Path(__file__).parent.parent / "lab/data/open_bandit/logs.npz"


def read(wheel: zipfile.ZipFile, policy: str, campaign: str) -> list[dict[str, str]]:
    """The rows of one log, after checking that they stand in the order of time."""
    text = wheel.read(f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv").decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    times = [row["timestamp"] for row in rows]
    if len(rows) != 10_000 or times != sorted(times):
        raise SystemExit(f"{policy}/{campaign}: expected 10000 rows in the order of time")
    return rows


def columns(wheel: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """All arrays of the archive, named campaign.policy.column."""
    arrays = {}
    for campaign, items in CAMPAIGNS.items():
        for policy in ("random", "bts"):
            rows = read(wheel, policy, campaign)
            item = np.array([int(row["item_id"]) for row in rows])
            if set(item.tolist()) != set(range(items)):
                raise SystemExit(f"{policy}/{campaign}: expected the items 0 … {items - 1}")
            arrays[f"{campaign}.{policy}.item"] = item.astype(np.uint8)
            arrays[f"{campaign}.{policy}.position"] = np.array([int(row["position"]) for row in rows], np.uint8)
            arrays[f"{campaign}.{policy}.click"] = np.array([row["click"] == "1" for row in rows])
            propensity = np.array([float(row["propensity_score"]) for row in rows])
            if policy == "bts":
                arrays[f"{campaign}.{policy}.propensity"] = propensity
            elif not np.all(propensity == 1 / items):
                raise SystemExit(f"{policy}/{campaign}: expected the propensity 1/{items} in every row")
    return arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="obp-0.4.1-py3-none-any.whl")
    parser.add_argument("--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    found = hashlib.sha256(arguments.wheel.read_bytes()).hexdigest()
    if found != WHEEL:
        raise SystemExit(f"{arguments.wheel} has SHA-256 {found}; the wheel of obp 0.4.1 has {WHEEL}")
    with zipfile.ZipFile(arguments.wheel) as wheel:
        np.savez(arguments.output, **columns(wheel))
    digest = hashlib.sha256(arguments.output.read_bytes()).hexdigest()
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
