#!/bin/sh
# README's two commands in an empty Debian: from a clean clone `make demo` and `make test`, as root and as a user.
#
# Empty: debootstrap's minimal system with git, make, python3 and ca-certificates.  Only the downloads of `make test`
# use this machine's network; whatever attaches runs in a network namespace without links.  Prints a line a run; exit
# status 0 if every test passed and none was skipped.  As root.
# SUITES=bookworm, WHO=root and PYTEST_ARGS='-k …' select.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build/hosts
failed=0

# run_in SUITE WHO: two_commands.sh in a fresh copy of that Debian, its words in $log.
run_in() {
    unshare --mount sh -euc '
        mount -t tmpfs debian /mnt
        mkdir /mnt/upper /mnt/work /mnt/debian
        mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/debian
        git clone --quiet --bare --no-hardlinks . /mnt/debian/repository
        cp tests/hosts/two_commands.sh /mnt/debian/
        # How this machine reaches the packages: names, certificates of its own, settings of pip.
        cp --remove-destination /etc/resolv.conf /mnt/debian/etc/
        for own in /usr/local/share/ca-certificates/*.crt /etc/pip.conf; do
            [ ! -e "$own" ] || cp "$own" "/mnt/debian$own"
        done
        for directory in /dev /sys; do mount --rbind "$directory" "/mnt/debian$directory"; done
        mount -t proc proc /mnt/debian/proc
        cd /mnt/debian
        pivot_root . mnt # in a chroot no process may make a user namespace
        exec chroot . /usr/bin/env -i PYTEST_ARGS="$3" /bin/sh -euc "umount --lazy /mnt; exec /two_commands.sh $2"
    ' sh "$PWD/$root" "$2" "${PYTEST_ARGS:-}" >"$log" 2>&1
}

for suite in ${SUITES:-bookworm trixie}; do
    root=build/hosts/$suite-first
    tools/debian_root.sh "$suite" "$root" git,make,python3,ca-certificates
    for who in ${WHO:-root ordinary}; do
        log=$root.$who
        if run_in "$suite" "$who" && tail -n 1 "$log" | grep ' passed' | grep -q -v 'skipped'; then
            echo "right: an empty Debian $suite, as $who: $(tail -n 1 "$log")"
        else
            failed=1
            echo "WRONG: an empty Debian $suite, as $who"
            grep -E '^(FAILED|ERROR|SKIPPED)' "$log" || tail -n 30 "$log"
        fi
    done
done
exit "$failed"
