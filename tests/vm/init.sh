#!/bin/sh
# The first program of the virtual machine: hosts/journey.py on this kernel, its words on the serial console.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /run/netns /var/lib/cni
echo "kernel $(uname -r), $(python3 --version)"
python3 /journey.py /usr/lib/cni/ptp
echo "exit status $?"
echo o >/proc/sysrq-trigger
sleep 60
