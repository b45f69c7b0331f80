#!/bin/sh
# prepare.sh test|lint: .venv has the packages of that extra in setup.cfg, and for tests the host the programs they run.
# PYTHON: the interpreter tried first for .venv.  PACKAGES: Debian packages; root installs those that are missing, any
# other user is told how.
set -eu
extra=$1

missing_packages() {
    for package in $PACKAGES; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
    done
}

install_packages() {
    command -v dpkg-query >/dev/null || return 0 # not Debian: the tests that miss a program say so
    # shellcheck disable=SC2046  one argument a package
    set -- $(missing_packages)
    [ $# -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        cat >&2 <<END
make: these packages are missing, and only root can install them. Run this once, then make again:
    sudo apt-get update && sudo apt-get install --no-install-recommends -y $*
Or run 'make PACKAGES= ...': the tests that need a missing program fail and name it.
END
        exit 1
    fi
    echo "make: installing $*" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o DPkg::Lock::Timeout=300 update >&2
    apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" >&2
}

make_venv() {
    for python in "$PYTHON" python3; do
        if "$python" -I -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
            "$python" -I -m venv .venv
            return
        fi
    done
    echo "make: no Python >= 3.9 with the modules venv and ensurepip; on Debian: apt-get install python3-venv" >&2
    exit 1
}

if [ "$extra" = test ]; then
    install_packages
fi
if ! .venv/bin/python -I -c '' 2>/dev/null; then
    rm -rf .venv
    # Linting alone needs no other package; without this one there is no .venv.
    "$PYTHON" -I -c 'import ensurepip, venv' 2>/dev/null || PACKAGES=python3-venv install_packages
    make_venv
fi
if [ ! .venv/"$extra" -nt setup.cfg ]; then
    .venv/bin/python -I - "$extra" >.venv/requirements.txt <<'END'
import configparser, sys
config = configparser.ConfigParser()
config.read("setup.cfg")
print(config["options.extras_require"][sys.argv[1]])
END
    .venv/bin/python -I -m pip install -q --disable-pip-version-check -r .venv/requirements.txt
    touch .venv/"$extra"
fi
