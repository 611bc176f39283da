"""`python -m labhelpers.cloud`: the cloud process of a `Lab`."""

import sys

from labhelpers.cloud.command_line import serve_parent

sys.exit(serve_parent())
