"""In a process of its own, since what is imported stays imported."""

import subprocess
import sys
from pathlib import Path

CLI = Path(__file__).parents[3] / "cli.py"
PROGRAM = """
import runpy, sys
runpy.run_path(sys.argv[1])
from diffsfsr.models.network.unused import UNUSED, left_out
import json as scipy
sys.modules["scipy"] = scipy  # as if it were loaded already

def there(name):
    try:
        __import__(name)
        return True
    except ImportError:
        return False

modules = set(sys.modules)
with left_out(alone=False):
    assert set(sys.modules) == modules
with left_out(alone=True):
    assert [name for name in UNUSED if there(name)] == ["scipy"] and sys.modules["scipy"] is scipy
assert set(sys.modules) == modules
try:
    with left_out(alone=True):
        raise KeyError
except KeyError:
    pass
assert set(sys.modules) == modules
"""


def test_packages_are_away_for_a_while_and_nothing_of_it_stays():
    done = subprocess.run([sys.executable, "-c", PROGRAM, CLI], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
