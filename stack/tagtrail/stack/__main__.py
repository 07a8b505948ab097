"""``python -m tagtrail.stack`` is the `tagtrail` command."""

import sys

from tagtrail.stack.cli import main

sys.exit(main())
