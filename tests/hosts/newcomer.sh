#!/bin/sh
# README's way from nothing to a container on the network, as it is written, in a Debian 12 with nothing installed.
#
# Only the packages come over this machine's network; the rest is in namespaces of its own.  Prints how long it took, of
# the five minutes that README speaks of on an idle machine; exit status 0 if all went right.  As root.
set -eu
cd "$(dirname "$0")/../.."
root=build/hosts/bookworm-alone
tools/debian_root.sh bookworm "$root" apt

commands=$(awk '/^```sh$/ { text = ""; on = 1; next }
    /^```$/ { if (on && text ~ /git clone/) printf "%s", text; on = 0 }
    on { text = text $0 "\n" }' README.md | sed 's/sudo //g; s#REPOSITORY#/repository#')
[ -n "$commands" ] || { echo "README.md has no commands with git clone" >&2; exit 1; }
PACKAGES=$(echo "$commands" | grep apt-get)
REST=$(echo "$commands" | grep -v apt-get)
export PACKAGES REST

since=$(date +%s)
unshare --mount sh -euc '
    mount -t tmpfs newcomer /mnt
    mkdir /mnt/upper /mnt/work /mnt/debian
    mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/debian
    cp --remove-destination /etc/resolv.conf /mnt/debian/etc/
    for directory in /dev /sys; do mount --rbind "$directory" "/mnt/debian$directory"; done
    mkdir /mnt/debian/repository
    mount --bind . /mnt/debian/repository
    mount -t proc proc /mnt/debian/proc
    DEBIAN_FRONTEND=noninteractive chroot /mnt/debian sh -euc "$PACKAGES"
    exec unshare --net --mount --pid --fork --kill-child sh -euc "
        mount -t proc proc /mnt/debian/proc
        mount -t sysfs sysfs /mnt/debian/sys
        mount --rbind /sys/fs/cgroup /mnt/debian/sys/fs/cgroup
        mount -t tmpfs run /mnt/debian/run
        mkdir -p /mnt/debian/var/lib/containerd
        mount -t tmpfs containerd /mnt/debian/var/lib/containerd # an overlay cannot lie on an overlay
        exec chroot /mnt/debian sh -euc \"\$1\"" sh "
            containerd >/var/log/containerd.log 2>&1 & # where systemd is, the package has it started
            until ctr version >/dev/null 2>&1; do sleep 0.1; done
            cd
            $REST"
' sh "$PWD/$root" >"$root.log" 2>&1 || { tail -n 30 "$root.log" >&2; exit 1; }
took=$(($(date +%s) - since))
grep -q 'inet 10\.85\.0\.2/16' "$root.log" && grep -q '3 packets received' "$root.log" || {
    tail -n 30 "$root.log" >&2
    echo "WRONG: after $took s" >&2
    exit 1
}
echo "right: from a Debian 12 with nothing installed to a container on the network in $took s"
