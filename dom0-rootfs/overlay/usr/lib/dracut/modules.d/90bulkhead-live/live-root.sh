#!/bin/sh
# Mounts the root of the live system on /sysroot.
#
# bulkhead.live=LABEL=X | UUID=X | /dev/X   the medium (iso9660, CD or stick)
# bulkhead.roothash=HEX                     root hash of live/dom0.erofs; everything the live
#                                           system reads is checked against it
# bulkhead.medium_timeout=SECONDS           how long to wait for the medium (default 90)

medium=/run/bulkhead/medium
image=$medium/live/dom0.erofs
hashes=$medium/live/dom0.verity

# Says what is wrong, on which object and what to do, on all consoles and in the log; then
# fails, which brings the emergency shell.
fail() {
	for line; do
		echo "<2>bulkhead: $line" > /dev/kmsg
		echo "$line" >> /run/bulkhead/problem
	done
	exit 1
}

source='' hash='' timeout=90
read -r cmdline < /proc/cmdline
for word in $cmdline; do
	case $word in
	bulkhead.live=*) source=${word#*=} ;;
	bulkhead.roothash=*) hash=${word#*=} ;;
	bulkhead.medium_timeout=*) timeout=${word#*=} ;;
	esac
done
case $source in
LABEL=*) device=/dev/disk/by-label/${source#LABEL=} ;;
UUID=*) device=/dev/disk/by-uuid/${source#UUID=} ;;
*) device=$source ;;
esac
mkdir -p $medium /run/bulkhead/image /run/bulkhead/ram

# MemTotal is what is left after Xen and the kernel: 3 GiB of machine show as about 2.6 GiB.
need=1400 words='without Xen 2 GiB'
[ -d /proc/xen ] && need=2400 words='3 GiB'
while read -r key value _; do
	[ "$key" = MemTotal: ] && have=$((value / 1024)) && break
done < /proc/meminfo
[ "$have" -ge $need ] || fail \
	"too little memory: dom0 has $have MiB; the live system needs a machine with $words"

modprobe -a loop isofs erofs overlay dm-verity
udevadm wait --timeout="$timeout" "$device" || fail \
	"medium not found: no volume $source appeared within $timeout seconds" \
	"plug the stick in again, or into another port, and restart; a stick must be written as a whole (dd), not file by file"
# A volume that can be read and holds the root that the boot menu means; else says in $problem what is wrong with it.
open_medium() { # DEVICE
	if ! mount -t iso9660 -o ro,nodev,nosuid,noexec "$1" $medium; then
		problem="medium: $1 cannot be read as iso9660; write the stick again"
		return 1
	fi
	if [ ! -e $image ] || [ ! -e $hashes ]; then
		problem="medium: live/dom0.erofs or live/dom0.verity is missing on $1; write the stick again"
		return 1
	fi
	# veritysetup opens with any hash; the first read tells whether it was the right one.
	# With tasklets a block is verified where its read ends instead of in a work queue: less waiting.
	if ! veritysetup open --use-tasklets $image bulkhead-root $hashes "$hash"; then
		problem="dom0.verity: cannot be used with the root hash $hash; write the stick again"
		return 1
	fi
	# Start-up reads many small files; larger reads mean fewer of the slow round trips to the stick.
	for queue in /sys/block/dm-*/queue /sys/block/loop[01]/queue; do
		echo 512 > "$queue/read_ahead_kb"
	done
	mount -t erofs -o ro /dev/mapper/bulkhead-root /run/bulkhead/image && return 0
	problem=$(/usr/lib/bulkhead/medium-watch --once)
	case $problem in
	'') problem="dom0.erofs: cannot be mounted; write the stick again" ;;
	"dom0.verity: block 1 "*)
		problem="dom0.verity: the root hash on the command line is not the medium's ($hash)
boot menu and medium do not belong together, or one was altered: $problem" ;;
	esac
	return 1
}

close_medium() {
	veritysetup close bulkhead-root 2>/dev/null
	umount $medium 2>/dev/null
}

# Other volumes with the medium's label, the one that was tried first left out.
others() { # DEVICE
	first=$(udevadm info --query=name --name="$1")
	for block in /sys/class/block/*; do
		name=${block##*/}
		case $name in
		loop* | ram* | dm-* | zram* | "$first") continue ;;
		esac
		label=$(udevadm info --query=property --property=ID_FS_LABEL --value --name="/dev/$name" 2>/dev/null)
		[ "$label" = "${source#LABEL=}" ] && echo "/dev/$name"
	done
}

# Anybody's disk can have a volume of that name, and be there before the stick; it does not keep the machine from starting.
if ! open_medium "$device"; then
	first_problem=$problem
	opened=no
	sleep 5
	udevadm settle
	for other in $(others "$device"); do
		close_medium
		open_medium "$other" && opened=yes && break
	done
	if [ $opened = no ]; then
		IFS='
'
		# shellcheck disable=SC2086 # a line each
		fail $first_problem
	fi
fi

# The overlay holds every change; it is limited so that a full one cannot take dom0's memory.
layers=lowerdir=/run/bulkhead/image
layers=$layers,upperdir=/run/bulkhead/ram/upper,workdir=/run/bulkhead/ram/work
mount -t tmpfs -o size=40%,mode=0755,nodev bulkhead-ram /run/bulkhead/ram &&
	mkdir /run/bulkhead/ram/upper /run/bulkhead/ram/work &&
	mount -t overlay bulkhead-live /sysroot -o "$layers" ||
	fail "the RAM overlay cannot be mounted"

# What the installed dom0 says to who logs in is about qubes, and here are none.
printf '\n%s\n\n' 'The live system of Bulkhead: "bulkhead-installer run" installs, "man bulkhead-installer" says more.' \
	> /sysroot/etc/motd

# Whoever sits at the live system is its administrator: consoles log in by themselves.
for getty in console-getty.service getty@.service; do
	mkdir -p /run/systemd/system/$getty.d
	cat > /run/systemd/system/$getty.d/bulkhead-live.conf <<-'EOF'
	[Service]
	ExecStart=
	ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200,57600,38400,9600 - $TERM
	EOF
done

# No qube runs from the medium: there is no store for it.
for unit in qubesd.service qubes-core.service qubes-db-dom0.service; do
	ln -s /dev/null /run/systemd/system/$unit
done
