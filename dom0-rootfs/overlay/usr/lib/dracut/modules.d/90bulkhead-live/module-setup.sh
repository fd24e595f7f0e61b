#!/bin/bash
# The root of the live system: EROFS with dm-verity on the medium, and a RAM overlay.

check() {
	require_binaries veritysetup || return 1
	return 0
}

depends() { echo systemd dm; }

installkernel() {
	hostonly='' instmods loop isofs erofs overlay dm-verity usb-storage uas sr_mod sd_mod \
		xhci-pci ehci-pci
}

install() {
	inst_multiple veritysetup udevadm mount umount mkdir ln cat modprobe dmesg sleep sulogin
	inst_simple "$moddir/live-root.sh" /usr/lib/bulkhead/live-root
	inst_simple /usr/lib/bulkhead/medium-watch
	inst_simple "$moddir/say-problem.sh" /usr/lib/bulkhead/say-problem
	inst_simple "$moddir/bulkhead-live-root.service" \
		"$systemdsystemunitdir/bulkhead-live-root.service"
	mkdir -p "$initdir$systemdsystemunitdir/initrd-root-fs.target.requires" \
		"$initdir$systemdsystemunitdir/emergency.service.d"
	ln -s ../bulkhead-live-root.service \
		"$initdir$systemdsystemunitdir/initrd-root-fs.target.requires/"
	inst_simple "$moddir/emergency.conf" \
		"$systemdsystemunitdir/emergency.service.d/bulkhead.conf"
	ln_r "$systemdsystemunitdir/initrd.target" "$systemdsystemunitdir/default.target"
	# Never guess a root from partition types: the command line names it.
	mkdir -p "$initdir/etc/systemd/system-generators"
	ln -sf /dev/null "$initdir/etc/systemd/system-generators/systemd-gpt-auto-generator"
}
