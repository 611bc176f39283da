"""Started as /var/runtime/bootstrap.py when a fresh interpreter is needed: AWS's runtime client with AWS's sys.path."""

import os
import sys

runtime = os.environ["LAMBDA_RUNTIME_DIR"]
task = os.environ["LAMBDA_TASK_ROOT"]
opt = os.environ.pop("LAB_OPT", "/opt")
version = os.environ["AWS_EXECUTION_ENV"].removeprefix(
    "AWS_Lambda_"
)  # Layers are laid out for the runtime's name.
for name in ("runtime", os.path.dirname(__file__)):
    if name in sys.path:
        sys.path.remove(name)
extra = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != runtime]
library = [entry for entry in sys.path if entry not in extra and entry != runtime]
sys.path[:] = [task, *extra, f"{opt}/python/lib/{version}/site-packages", f"{opt}/python", runtime, *library]
sys.dont_write_bytecode = True
os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(os.dup(1))

from awslambdaric.__main__ import main  # noqa: E402 - only now can it be found

main([__file__, os.environ["_HANDLER"]])
