#!/bin/bash
# The keyboard layout for the passphrase prompt; the layout itself comes in an archive behind this one.

check() { return 0; }

depends() { echo systemd; }

install() {
	inst_multiple loadkeys
	inst_simple /usr/lib/systemd/system/bulkhead-keymap.service "$systemdsystemunitdir/bulkhead-keymap.service"
	mkdir -p "$initdir$systemdsystemunitdir/sysinit.target.wants"
	ln -s ../bulkhead-keymap.service "$initdir$systemdsystemunitdir/sysinit.target.wants/"
}
