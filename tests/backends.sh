#!/bin/sh
# Run the tests of losses, distances, miners, reducers and regularizers under Keras's other backends, each in an
# environment of its own that is made when it is not there. Arguments are backends; without any, both are run:
#   sh tests/backends.sh jax
# SIMPLUG_BACKEND_ENVS names the folder of the environments, PYTEST_ADDOPTS further options for pytest.
set -eu
cd "$(dirname "$0")/.."
envs=${SIMPLUG_BACKEND_ENVS:-.venv-backends}
[ $# -gt 0 ] || set -- jax torch

tests=
for kind in losses distances miners reducers regularizers; do
    for path in tests/plugins/$kind tests/conformance/test_$kind.py; do
        [ ! -e "$path" ] || tests="$tests $path"
    done
done

failed=
for backend in "$@"; do
    case $backend in
        jax) package=jax ;;
        torch) package=torch==2.13.0 ;;
        *) echo "$backend is not a backend that is tested here; there are jax and torch" >&2 && exit 2 ;;
    esac
    python=$envs/$backend/bin/python
    if [ ! -x "$python" ]; then
        python3 -m venv "$envs/$backend"
        "$python" -m pip install --quiet --upgrade pip
        "$python" -m pip install --quiet "$package"
        "$python" -m pip install --quiet --group test --editable .
    fi
    echo "backend: $backend"
    # TensorFlow is there, too; a process in which it was imported before torch can crash. And Keras computes some
    # operations on float64 in float32 unless its backend is TensorFlow, where tests compare equations in float64.
    start="
import sys, $backend, pytest
from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE
BIT64_TO_BIT32_DTYPE['float64'] = 'float64'
sys.exit(pytest.main(sys.argv[1:]))"
    # shellcheck disable=SC2086 # the paths have no spaces, and are many
    KERAS_BACKEND=$backend JAX_ENABLE_X64=1 JAX_PLATFORMS=cpu "$python" -c "$start" -q $tests || failed="$failed $backend"
done
[ -z "$failed" ] || { echo "failed under:$failed" >&2; exit 1; }
