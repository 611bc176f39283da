#!/bin/sh
# Makes .venv with everything that requirements.lock pins, and this package in place; called by `make setup`.
# Needs python3 >= 3.11 with venv, and a package index. Does nothing when nothing changed since the last time.
set -eu
cd "$(dirname "$0")/.."
venv=.venv
stamp=$venv/setup.stamp
log=$venv/setup.log

fail() {
    printf 'make setup: %s\n' "$1" >&2
    exit 1
}

# What the environment was made from: its place (scripts carry absolute paths), the pins, this script and the package,
# without the settings of tools that only read them.
package=$(awk '/^\[/ { on = !/^\[tool\.(ruff|mypy|pytest)/ } on' pyproject.toml)
inputs=$(pwd; { cat requirements.lock tools/setup.sh; printf '%s' "$package"; } | cksum)
if [ -x $venv/bin/python ] && [ -f $stamp ] && [ "$(cat $stamp)" = "$inputs" ]; then
    exit 0
fi

# `command -v` is not enough: a pyenv shim exists also for a version that is not chosen.
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
python=
found=
for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    version=$("$name" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
    found="$found$name is $version; "
    if "$name" -c "$new_enough" 2>/dev/null; then
        python=$name
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or later is needed, and there is none (${found:-no python3 on the PATH; }set PYTHON=... to name one)."
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$python ($version) lacks its venv module (Debian and Ubuntu: apt-get install python3-venv)."

# The index could not be reached, or it answered something else: say which in one line.
explain() {
    if grep -qiE 'name resolution|dns error|failed to lookup|connection (refused|reset|aborted|error)|NewConnectionError|ConnectTimeout|timed out|unreachable|ProxyError|Cannot connect to proxy|error sending request|client error \(Connect\)' "$log"; then
        fail "the Python package index cannot be reached: check the network or the proxy, then run it again (details: $log)."
    fi
    if grep -qi 'no space left' "$log"; then
        fail "the disk is full (details: $log)."
    fi
    tail -n 15 "$log" >&2
    fail "$1 (all of it: $log)."
}

echo "make setup: installing into $venv with $python ($version)"
# Compiled modules halve the time of every import: compile them whatever this shell says.
unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH VIRTUAL_ENV || true
rm -f $stamp
if ! $venv/bin/python -m pip --version >/dev/null 2>&1 || ! $venv/bin/python -c "$new_enough" ||
    [ "$(cat $venv/place 2>/dev/null)" != "$(pwd)" ]; then
    rm -rf $venv
    "$python" -m venv $venv || fail "$python -m venv $venv failed: see above."
    pwd >$venv/place
fi

# uv's own pin, with its hashes, is one block of the lock; pip checks it, and uv installs the rest in a tenth of pip's time.
awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements.lock >$venv/uv.lock
[ -s $venv/uv.lock ] || fail "requirements.lock pins no uv: make it again with \`make lock\`."
if ! $venv/bin/python -c "$(printf 'import sys, importlib.metadata as m\nsys.exit(not open(sys.argv[1]).readline().startswith("uv==" + m.version("uv") + " "))')" $venv/uv.lock 2>/dev/null; then
    $venv/bin/python -m pip install --quiet --disable-pip-version-check --retries 2 --require-hashes \
        -r $venv/uv.lock >"$log" 2>&1 || explain "pip could not install uv"
fi
# The system's certificates: behind a company's proxy those are the ones that are trusted.
if ! $venv/bin/uv pip sync --quiet --no-config --system-certs --python $venv/bin/python --require-hashes \
    --compile-bytecode requirements.lock >"$log" 2>&1; then
    # pip knows mirrors (pip.conf) that uv does not read; it takes three times as long.
    cp "$log" $venv/uv.log
    $venv/bin/python -m pip install --quiet --disable-pip-version-check --retries 2 --require-hashes \
        -r requirements.lock >"$log" 2>&1 || { cat $venv/uv.log >>"$log"; explain "the pinned packages could not be installed"; }
fi
$venv/bin/uv pip install --quiet --no-config --python $venv/bin/python --no-deps --no-build-isolation --offline \
    --editable . >"$log" 2>&1 || explain "this package could not be installed in place"
printf '%s\n' "$inputs" >$stamp
