#!/usr/bin/env bash
# Makes a Debian machine ready for Antin, and says what it does.
#
#   deploy/setup.sh          what a running instance needs
#   deploy/setup.sh --test   that, and what the tests and benchmarks need
#
# Running it again changes nothing: packages that are installed and a virtual environment
# that was made from the same lock file are left as they are.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(softhsm2 p11-kit p11-kit-modules openssl python3-venv fonts-dejavu-core)
lock=requirements.lock
case "${1:-}" in
    "") ;;
    --test)
        packages+=(postgresql gnutls-bin libnss3-tools chromium)
        packages+=(nginx wrk faketime curl gcc libc6-dev)
        lock=requirements-dev.lock
        ;;
    *)
        echo "usage: deploy/setup.sh [--test]" >&2
        exit 2
        ;;
esac

say() { printf 'setup: %s\n' "$*"; }

install_system_packages() {
    local missing=() package as_root=()
    for package in "${packages[@]}"; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null |
            grep -qx installed || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        say "the system packages are installed"
        return
    fi
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    say "installing system packages: ${missing[*]}"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # Whether the servers among them run as services does not matter: tests start their own.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Prints the first interpreter that is new enough and can make a virtual environment. Debian's own
# comes first: its security fixes come with the system's, and it is built to be fast.
find_python() {
    local python
    for python in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    say "no Python 3.11 or newer was found" >&2
    return 1
}

# The stamp holds the digest of everything the environment was made from. The development
# lock holds every line of the runtime lock, so an environment made for tests serves both.
install_python_packages() {
    local python stamp=.venv/.made-from want
    want="$(digest_of "$lock")"
    if [ -x .venv/bin/antin ] &&
        grep -qxF -e "$want" -e "$(digest_of requirements-dev.lock)" "$stamp" 2>/dev/null; then
        say "the virtual environment is made from $lock"
        return
    fi
    python="$(find_python)"
    say "making .venv with $("$python" --version) from $lock"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --no-deps --no-build-isolation --no-index -e .
    echo "$want" >"$stamp"
}

# The head of the project's file counts too: it names the command and the packages.
digest_of() { { cat "$1" && sed '/^\[tool\.pytest/,$d' pyproject.toml; } | sha256sum; }

install_system_packages
install_python_packages
say "done"
