#!/bin/sh
# two_commands.sh WHO: in an empty Debian, `make demo` and `make test` from a clean clone of /repository, as WHO.
#
# first_run.sh starts it as root, in a mount namespace of its own.  WHO is root, or an ordinary user's name, who is made.
# PYTEST_ARGS: for `make test`.
set -eu
who=$1 home=/root
export LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
update-ca-certificates >/dev/null 2>&1
as_who="env HOME=/root" # words before a program
if [ "$who" != root ]; then
    home=/home/$who
    useradd --create-home "$who"
    chown -R "$who" /repository
    # The PATH that Debian gives a user.
    as_who="setpriv --reuid $who --regid $who --init-groups
        env HOME=$home LOGNAME=$who PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
fi

# The program as $who, without a network and without other processes.
alone() {
    # shellcheck disable=SC2086  words
    unshare --net --mount --pid --fork --kill-child /bin/sh -euc '
        mount -t proc proc /proc
        mount -t sysfs sysfs /sys
        exec "$@"' sh $as_who "$@"
}

cd "$home"
$as_who git clone --quiet /repository cni-ptp
cd cni-ptp
echo "== make demo"
alone make demo

echo "== make test installs what it needs: all downloads, no test"
if ! $as_who make test PYTEST_ARGS=--version >/prepared 2>&1; then
    cat /prepared
    [ "$who" != root ]
    echo "== what it told the user to do, as root"
    sh -euxc "$(sed -n 's/^ *sudo //p' /prepared | sed 's/sudo //g')"
    $as_who make test PYTEST_ARGS=--version
fi

echo "== make test"
alone make test PYTEST_ARGS="${PYTEST_ARGS:-}"
