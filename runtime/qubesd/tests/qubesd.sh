# Read by test scripts in bash, after common/tests/checks.sh: a qubesd of theirs, of the programs in $BUILD (absolute).
qubesd=

# What the programs of fake/ work on, which stand in for the hypervisor; and images of a kernel k and of a template.
fake_machine() { # ROOT TEMPLATE
	export FAKE_ROOT=$1 FAKE_DIR=$1/fake
	mkdir -p "$FAKE_DIR/domains" "$1/var/lib/qubes/vm-kernels/k" "$1/var/lib/qubes/vm-templates/$2"
	echo 4 >"$FAKE_DIR/next-domid"
	: >"$FAKE_DIR/events"
	printf modules >"$1/var/lib/qubes/vm-kernels/k/modules.img"
	printf root >"$1/var/lib/qubes/vm-templates/$2/root.img"
}
start_qubesd() { # ROOT OPTION...: sets $socket
	qubesd_root=$1 socket=$1/var/run/qubesd.sock
	"$BUILD/socket/bin/qubesd" --root "$@" 2>"$1/qubesd.log" &
	qubesd=$!
	patience=30 until_true test -S "$socket" || { echo "no qubesd:"; cat "$1/qubesd.log"; exit 1; }
}
end_qubesd() { # if it was started; and the daemons that its stand-ins started
	[ -n "$qubesd" ] || return 0
	ends_well qubesd "$qubesd" "$qubesd_root/qubesd.log"
	qubesd=
	for f in "$qubesd_root"/var/run/qubes/*.pid; do
		[ -e "$f" ] && kill "$(cat "$f")"
	done
}
