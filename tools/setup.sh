#!/usr/bin/env bash
# The steps of `make setup`, one a call. Whatever is missing is said in one line; details go to build/setup.log.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
log=build/setup.log

fail() {
  echo "setup: $*" >&2
  exit 1
}

# run DESCRIPTION HINT COMMAND...: quiet, with one line before it and one if it fails
run() {
  local description=$1 hint=$2
  shift 2
  echo "setup: $description"
  if ! "$@" >>"$log" 2>&1; then
    fail "$description: failed. $hint The whole story is in $log."
  fi
}

# A package without a ready-made build for this machine is compiled.
compiler_hint() {
  if command -v g++ >/dev/null; then
    echo "Is the package index within reach?"
  else
    echo "There is no C++ compiler here, which some packages need: install g++."
  fi
}

case ${1:?} in
  python)
    python=$2
    command -v "$python" >/dev/null || fail "$python is missing: install Python 3.11 or newer, with venv."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
      fail "$("$python" --version) is too old: SCV needs 3.11 or newer (make PYTHON=python3.12 ...)."
    [ -x .venv/bin/pip ] || run "making .venv" "Is Python's venv module installed?" "$python" -m venv .venv
    run "installing the Python packages (torch is large)" "$(compiler_hint)" \
      .venv/bin/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable .
    ;;
  python-dev)
    run "installing the packages for development" "$(compiler_hint)" \
      .venv/bin/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
    ;;
  assets)
    command -v npm >/dev/null || fail "npm is missing, and the pages need it once: install Node.js 18 or newer."
    [ node_modules/.installed-dev -nt package-lock.json ] ||
      run "fetching the browser's files" "Is the npm registry within reach?" npm ci --omit=dev --no-audit --no-fund
    run "copying them to static/vendor" "" .venv/bin/python -m scv.web.assets
    ;;
  assets-dev)
    run "fetching the test data" "Is the npm registry within reach?" npm ci --no-audit --no-fund
    ;;
  chromium)
    for name in chromium chromium-browser google-chrome; do
      command -v "$name" >/dev/null && exit 0
    done
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
      run "updating the package lists" "" apt-get update -qq
      run "installing Chromium and Korean fonts" "" \
        env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-cjk
    else
      run "installing Playwright's Chromium" "" .venv/bin/python -m playwright install chromium
    fi
    ;;
  postgres)
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && exit 0
    command -v initdb >/dev/null && exit 0
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
      run "updating the package lists" "" apt-get update -qq
      run "installing PostgreSQL, for the tests" "" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql
    else
      echo "setup: PostgreSQL's server is missing, so the tests on it are skipped: install the package postgresql."
    fi
    ;;
  *) fail "unknown step $1" ;;
esac
