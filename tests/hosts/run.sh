#!/bin/sh
# The plugin under each CPython from 3.9 to 3.13 that is found and those of Debian unstable, and in Debian systems with
# nothing but a Python.
#
# Under each CPython: a file built for it passes the contract tests, in Debian unstable also the unit tests and those of
# the built file.  In each Debian: dist/ptp, copied in, goes the way of journey.py.  Prints a line a host; exit status 0
# if all is right.  As root; every call is in namespaces of its own.  MINORS='12 13' and UNSTABLE=15 select.
set -eu
cd "$(dirname "$0")/../.."
failed=0
mkdir -p build/hosts

# The executable of CPython 3.$1, on PATH by that name or in pyenv; nothing if there is none.
python() {
    newest=$(pyenv versions --bare 2>/dev/null | grep "^3\.$1\.[0-9]*$" | tail -n 1) || newest=
    PYENV_VERSION=$newest "python3.$1" -c 'import os, sys; print(os.path.realpath(sys.executable))' 2>/dev/null || :
}

# verdict WHAT LOG: the line about a host; $? is whether all was right.
verdict() {
    if [ "$?" -eq 0 ]; then
        echo "right: $1: $(tail -n 1 "$2")"
    else
        failed=1
        echo "WRONG: $1"
        grep -v '^ok: ' "$2" | tail -n 30
    fi
}

for minor in ${MINORS-9 10 11 12 13}; do
    python=$(python "$minor")
    if [ -z "$python" ]; then
        echo "CPython 3.$minor is not here"
        continue
    fi
    directory=build/hosts/python3.$minor
    "$python" tools/build_ptp.py build --interpreter "$python" --to "$directory" >"$directory.log"
    set +e
    PTP=$PWD/$directory/ptp unshare -n -m .venv/bin/python -m pytest -q -n auto tests/contract >"$directory.log" 2>&1
    verdict "CPython 3.$minor, contract tests" "$directory.log"
    set -e
done

# in_unstable PYTHON: the tests of that Python, run in a Debian unstable that has what they need.
in_unstable() {
    root=build/hosts/unstable
    packages=$(echo "$PACKAGES" | sed 's/python3-venv//; s/debootstrap.*//')
    # shellcheck disable=SC2086  words
    tools/debian_root.sh sid "$root" "$(echo $packages git make python3.14 python3.15 python3-pytest \
        python3-pytest-xdist | tr ' ' ,)"
    set +e
    # The tests make the root private, so it must be a mount.
    unshare -n -m sh -euc '
        mount --bind "$1" "$1" && cd "$1" && mkdir -p repository
        mount --bind "$2" repository && mount -t proc proc proc && mount --rbind /dev dev && mount -t tmpfs tmp tmp
        exec chroot . sh -euc "
            cd /repository
            export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PTP=/tmp/built/ptp
            $3 tools/build_ptp.py build --interpreter /usr/bin/$3 --to /tmp/built
            $3 -m pytest -p no:cacheprovider -q -n auto tests/unit tests/contract tests/build"' \
        sh "$root" "$PWD" "$1" >"$root.$1.log" 2>&1
    verdict "Debian unstable, $1, tests of units, the contract and the built file" "$root.$1.log"
    set -e
}

for minor in ${UNSTABLE-14 15}; do
    in_unstable "python3.$minor"
done

# with_plugin SUITE PACKAGES: $root is that Debian, and has the plugin.
with_plugin() {
    root=build/hosts/$1-$2
    tools/debian_root.sh "$1" "$root" "$2"
    mkdir -p "$root/usr/lib/cni"
    cp dist/ptp "$root/usr/lib/cni/ptp"
}

# in_debian SUITE PACKAGES: the journey, with the plugin executed in that Debian.
in_debian() {
    with_plugin "$1" "$2"
    set +e
    unshare -n -m sh -c '
        mkdir -p /var/lib/cni "$1/var/lib/cni" && mount -t tmpfs cni /var/lib/cni &&
        mount -t tmpfs run /run && mkdir -p /run/netns && mount --make-shared /run && # namespaces show in the root too
        mount --rbind /run "$1/run" && mount --bind /var/lib/cni "$1/var/lib/cni" &&
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && shift && exec "$@"' \
        sh "$root" python3 tests/hosts/journey.py chroot "$root" /usr/lib/cni/ptp >"$root.journey" 2>&1
    verdict "Debian $1 with $2 only" "$root.journey"
    set -e
}

# told_in_debian SUITE PACKAGES WORDS: there the plugin answers every call with one document, an error with these words.
told_in_debian() {
    with_plugin "$1" "$2"
    set +e
    echo '{}' | unshare -n env CNI_COMMAND=STATUS chroot "$root" /usr/lib/cni/ptp >"$root.journey" 2>"$root.stderr"
    [ $? -eq 1 ] && [ ! -s "$root.stderr" ] && python3 -m json.tool --json-lines <"$root.journey" | grep -q "$3"
    verdict "Debian $1 with $2 only, where the plugin says that it cannot run" "$root.journey"
    set -e
}

in_debian trixie python3-minimal
in_debian bullseye python3
told_in_debian bookworm python3-minimal "no module json"
exit "$failed"
