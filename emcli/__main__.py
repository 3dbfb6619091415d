"""`python -m emcli`."""

import sys

from emcli.cli import main

sys.exit(main())
