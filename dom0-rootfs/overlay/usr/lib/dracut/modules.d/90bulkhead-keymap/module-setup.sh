#!/bin/bash
# The keyboard layout for the passphrase prompt, and the disk it is for. On the medium and right after an installation both
# come in an archive behind this one; a kernel update on the machine finds them in its root.

check() { return 0; }

depends() { echo systemd; }

install() {
	inst_multiple loadkeys
	[[ ! -e $dracutsysrootdir/etc/bulkhead/keymap ]] || inst_simple /etc/bulkhead/keymap
	! grep -qs '^luks-' "$dracutsysrootdir/etc/crypttab" || inst_simple /etc/crypttab
	inst_simple /usr/lib/systemd/system/bulkhead-keymap.service "$systemdsystemunitdir/bulkhead-keymap.service"
	mkdir -p "$initdir$systemdsystemunitdir/sysinit.target.wants"
	ln -s ../bulkhead-keymap.service "$initdir$systemdsystemunitdir/sysinit.target.wants/"
}
