#!/bin/sh
# debian_root.sh SUITE DIRECTORY PACKAGES: DIRECTORY is a Debian of that suite with these packages (comma separated) and
# what they need, from the mirror that apt is set up with.  Done already: nothing is done.
set -eu
suite=$1 directory=$2 packages=$3
[ ! -e "$directory/.complete" ] || exit 0
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep '/debian/*$' | head -n 1)
if [ -z "$mirror" ]; then
    echo "debian_root.sh: apt knows no mirror of Debian" >&2
    exit 1
fi
rm -rf "$directory"
mkdir -p "$directory"
log=$directory.log
# A mount namespace: what it mounts while it installs is unmounted whatever happens.
if ! unshare -m debootstrap --variant=minbase --include="$packages" "$suite" "$directory" "$mirror" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    exit 1
fi
rm -rf "$directory"/var/cache/apt/archives/*.deb "$directory"/var/lib/apt/lists/* "$directory"/usr/share/doc/*
touch "$directory/.complete"
