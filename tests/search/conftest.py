"""Makes `toys` importable, here and in the processes that tests start."""

import os
import sys
from pathlib import Path

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
sys.path.insert(0, str(HERE))
os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, HERE)))
