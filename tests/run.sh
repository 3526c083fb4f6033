#!/bin/sh
# Run the tests on an installed wheel, in an environment of their own that is made when it is not there.
# Two processes share the tests; arguments go to pytest:  sh tests/run.sh -m slow -n 0
set -eu
cd "$(dirname "$0")/.."
env=${SIMPLUG_TEST_ENV:-.venv-test}
if [ ! -x "$env/bin/python" ]; then
    python3 -m venv "$env"
fi
"$env/bin/python" -m pip install --quiet --upgrade pip "setuptools>=77" wheel
rm -rf build dist
"$env/bin/python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
"$env/bin/python" -m pip install --quiet --group test dist/simplug-*.whl
# The version does not change with every edit, so the wheel replaces what was installed under it.
"$env/bin/python" -m pip install --quiet --no-deps --force-reinstall dist/simplug-*.whl
# Each process has a core: threads of a library in one would only take it from the other.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
export TF_NUM_INTRAOP_THREADS="${TF_NUM_INTRAOP_THREADS:-1}" TF_NUM_INTEROP_THREADS="${TF_NUM_INTEROP_THREADS:-1}"
SIMPLUG_WHEEL=$(ls "$PWD"/dist/simplug-*.whl) exec "$env/bin/pytest" -n 2 --dist loadscope "$@"
