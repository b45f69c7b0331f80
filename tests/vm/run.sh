#!/bin/sh
# The plugin on Debian's kernels 5.10, 6.1 and 6.12: each is booted by qemu, in software, with the Debian it belongs to in
# memory, and dist/ptp goes the way of hosts/journey.py there.  Nothing is installed on this machine but qemu.
# Prints a line a kernel; exit status 0 if all is right.  SUITES=bookworm selects.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build/vm
failed=0

# make_kernel SUITE: build/vm/SUITE has vmlinuz and lib/modules; build/vm/SUITE-root the Debian.
make_kernel() {
    root=build/vm/$1-root kernel=build/vm/$1
    tools/debian_root.sh "$1" "$root" python3,iproute2,nftables,kmod
    [ ! -e "$kernel/vmlinuz" ] || return 0
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # The package that the suite's linux-image-amd64 stands for; unpacked, not installed.
    chroot "$root" sh -ec '
        apt-get -q update
        cd /tmp
        apt-get -q download "$(apt-cache depends linux-image-amd64 | sed -n "s/^ *Depends: //p" | head -n 1)"
        mkdir image
        dpkg-deb -x linux-image-*.deb image
        rm linux-image-*.deb
        rm -rf /var/lib/apt/lists/*' >"$kernel.log" 2>&1 || { tail -n 20 "$kernel.log"; return 1; }
    mkdir -p "$kernel"
    modules=$root/tmp/image/lib/modules
    [ -d "$modules" ] || modules=$root/tmp/image/usr/lib/modules
    version=$(ls "$modules")
    # What a container's network can need, and what that needs: a tenth of all modules.
    mkdir -p "$root/lib/modules/$version/kernel/drivers/net"
    cp "$modules/$version"/modules.* "$root/lib/modules/$version/"
    for part in net lib crypto arch; do
        cp -r "$modules/$version/kernel/$part" "$root/lib/modules/$version/kernel/"
    done
    cp "$modules/$version"/kernel/drivers/net/veth.ko* "$root/lib/modules/$version/kernel/drivers/net/"
    chroot "$root" depmod "$version"
    mv "$root"/tmp/image/boot/vmlinuz-* "$kernel/vmlinuz"
    rm -rf "$root/tmp/image" "$root"/usr/share/locale/* "$root"/usr/share/man/* "$root"/var/cache/apt/*.bin
}

# boot SUITE: the journey on that kernel, its words in build/vm/SUITE.console.
boot() {
    root=build/vm/$1-root kernel=build/vm/$1
    mkdir -p "$root/usr/lib/cni"
    cp dist/ptp "$root/usr/lib/cni/ptp"
    cp tests/hosts/journey.py "$root/journey.py"
    cp tests/vm/init.sh "$root/init"
    chmod +x "$root/init"
    # Not compressed: in software emulation the kernel would be longer at unpacking it than at the journey.
    (cd "$root" && find . -xdev ! -path './proc/*' ! -path './sys/*' | cpio --quiet -o -H newc) >"$kernel.cpio"
    timeout 600 qemu-system-x86_64 -accel tcg -cpu max -m 1536 -nographic -no-reboot -nic none \
        -kernel "$kernel/vmlinuz" -initrd "$kernel.cpio" -append 'console=ttyS0 quiet panic=-1' \
        </dev/null >"$kernel.console" 2>&1 || :
    rm "$kernel.cpio"
    tr -d '\r' <"$kernel.console" | grep -q '^exit status 0$'
}

for suite in ${SUITES:-bullseye bookworm trixie}; do
    make_kernel "$suite"
    if boot "$suite"; then
        echo "right: $suite: $(tr -d '\r' <build/vm/"$suite".console | grep -a -o 'kernel .*, Python .*')"
    else
        failed=1
        echo "WRONG: $suite"
        tail -n 30 build/vm/"$suite".console
    fi
done
exit "$failed"
