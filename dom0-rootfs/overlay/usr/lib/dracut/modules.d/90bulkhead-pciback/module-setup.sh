#!/bin/bash
# Network controllers (and USB controllers on demand) stay away from dom0.

check() { return 0; }

depends() { echo systemd; }

installkernel() {
	hostonly='' instmods xen-pciback
}

install() {
	inst_simple "$moddir/hide-devices.sh" /usr/lib/bulkhead/hide-devices
	inst_simple "$moddir/bulkhead-pciback.service" \
		"$systemdsystemunitdir/bulkhead-pciback.service"
	inst_simple /usr/lib/udev/rules.d/01-bulkhead-hide.rules
	mkdir -p "$initdir$systemdsystemunitdir/sysinit.target.requires"
	ln -s ../bulkhead-pciback.service "$initdir$systemdsystemunitdir/sysinit.target.requires/"
	inst_multiple modprobe
}
