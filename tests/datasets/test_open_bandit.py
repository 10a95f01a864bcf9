"""The vendored Open Bandit sample: its fingerprint, the script that makes it, and the numbers of the fact sheet."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lab.datasets.open_bandit import CAMPAIGNS, OPEN_BANDIT, TICK, open_bandit

ROOT = Path(__file__).parents[2]
FINGERPRINT = "1c673d2fc7ba034095276eeb3ef7758bd71ea6acaf685bc9ed3084a6d780c9cd"

# campaign: items, clicks under the random policy and Thompson sampling, least, median and largest propensity,
# effective sample size of 1/p, mean weight and its standard error, share of p < 0.01
SHEET = {
    "all": (80, 38, 42, 4.5e-5, 0.064, 0.954, 340, 1.011, 0.054, 0.13),
    "men": (34, 46, 69, 1.7e-4, 0.154, 0.725, 656, 0.943, 0.036, 0.07),
    "women": (46, 46, 46, 1e-6, 0.096, 0.963, 2, 3.13, 2.17, 0.08),
}
# clip: mean weight of the campaign "all", and its standard error
CLIPPED = {1e-4: (0.992, 0.047), 1e-3: (0.781, 0.018), 5e-3: (0.513, 0.007), 0.01: (0.391, 0.004), 0.02: (0.283, 0.002)}


def mean_and_error(values):
    return values.mean(), values.std() / np.sqrt(len(values))


def test_bytes_are_those_the_script_made():
    assert OPEN_BANDIT.fingerprint() == FINGERPRINT
    assert OPEN_BANDIT.require().stat().st_size < 500_000
    assert (OPEN_BANDIT.require().parent / "LICENCE.md").is_file()


def test_archive_holds_plain_arrays_only():
    with zipfile.ZipFile(OPEN_BANDIT.require()) as archive:
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    with np.load(OPEN_BANDIT.require(), allow_pickle=False) as arrays:
        assert {str(arrays[name].dtype) for name in arrays} == {"uint8", "bool", "float64"}


@pytest.mark.skipif("OBP_WHEEL" not in os.environ, reason="OBP_WHEEL names no obp-0.4.1 wheel to make the copy from")
def test_script_makes_the_same_bytes_from_the_wheel(tmp_path):
    script, made = ROOT / "scripts/make_open_bandit.py", tmp_path / "logs.npz"
    subprocess.run([sys.executable, script, os.environ["OBP_WHEEL"], "--output", made], check=True)
    assert hashlib.sha256(made.read_bytes()).hexdigest() == FINGERPRINT


def test_script_refuses_another_wheel(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("make_open_bandit", ROOT / "scripts/make_open_bandit.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    other = tmp_path / "other.whl"
    other.write_bytes(b"no wheel")
    monkeypatch.setattr(sys, "argv", ["make_open_bandit", str(other), "--output", str(tmp_path / "logs.npz")])
    with pytest.raises(SystemExit, match=r"the wheel of obp 0\.4\.1 has"):
        script.main()
    assert not (tmp_path / "logs.npz").exists()


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_numbers_of_the_sheet(campaign):
    items, clicks_random, clicks, least, median, largest, effective, mean, error, rare = SHEET[campaign]
    log, random = open_bandit(campaign, "bts"), open_bandit(campaign, "random")
    assert len(log.item) == len(random.item) == 10_000
    assert log.items == items
    assert set(log.item.tolist()) == set(range(items))
    assert set(log.position.tolist()) == {1, 2, 3}
    assert (int(random.click.sum()), int(log.click.sum())) == (clicks_random, clicks)
    p = log.propensity
    assert p.min() == pytest.approx(least, rel=0.04)
    assert np.median(p) == pytest.approx(median, abs=5.1e-4)
    assert p.max() == pytest.approx(largest, abs=5.1e-4)
    assert np.sum(1 / p) ** 2 / np.sum(1 / p**2) == pytest.approx(effective, abs=0.5)
    assert mean_and_error(log.uniform_weight) == pytest.approx(
        (mean, error), abs=5.1e-3 if campaign == "women" else 5.1e-4
    )
    assert np.mean(p < 0.01) == pytest.approx(rare, abs=5.1e-3)
    assert np.all(random.uniform_weight == 1)


@pytest.mark.parametrize("clip", CLIPPED)
def test_clipped_mean_weights_of_the_sheet(clip):
    log = open_bandit("all", "bts")
    weight = 1 / (log.items * np.maximum(log.propensity, clip))
    assert mean_and_error(weight) == pytest.approx(CLIPPED[clip], abs=5.1e-4)


def test_policy_values_of_the_sheet():
    """Inverse-propensity estimate with its standard error, clipped at 0.01, and that self-normalised."""
    sheet = {
        "all": (0.0024, 0.0009, 0.0016, 0.0041),
        "men": (0.0030, 0.0008, 0.0027, 0.0048),
        "women": (0.0074, 0.0041, 0.0024, 0.0048),
    }
    for campaign, expected in sheet.items():
        log = open_bandit(campaign, "bts")
        clipped = 1 / (log.items * np.maximum(log.propensity, 0.01))
        found = (
            *mean_and_error(log.uniform_weight * log.click),
            np.mean(clipped * log.click),
            clipped @ log.click / clipped.sum(),
        )
        assert found == pytest.approx(expected, abs=5.1e-5), campaign


def test_five_propensities_are_no_simulated_frequencies():
    """Four fall back to 1/K; 1e-6 is a floor, and without it the mean weight of its campaign is 0.96, not 3.13."""
    odd = {}
    for campaign in CAMPAIGNS:
        log = open_bandit(campaign, "bts")
        ticks = log.propensity / TICK
        odd[campaign] = log.propensity[np.abs(ticks - np.round(ticks)) > 1e-6].tolist()
    assert odd == {"all": [], "men": [1 / 34], "women": [1 / 46, 1 / 46, 1 / 46, 1e-6]}
    assert [np.sum(open_bandit(name, "bts").propensity == 1 / items) for name, items in CAMPAIGNS.items()] == [5, 1, 3]
    weight = open_bandit("women", "bts").uniform_weight
    assert mean_and_error(weight[weight < weight.max()]) == pytest.approx((0.960, 0.040), abs=5.1e-4)


def test_logs_are_read_only_and_unknown_names_are_refused():
    with pytest.raises(ValueError, match="read-only"):
        open_bandit("men", "bts").propensity[0] = 1.0
    with pytest.raises(ValueError, match="campaign = 'kids': must be one of all, men, women"):
        open_bandit("kids", "bts")
