#!/bin/sh
# Gives PCI devices to xen-pciback before any driver is loaded.
#
# Always: classes 02xx (network) and 0dxx (wireless: modems for cellular networks are 0d40).
# rd.bulkhead.hide_all_usb (or rd.qubes.hide_all_usb): also 0c03.
# rd.bulkhead.hide_pci=LIST hides more, rd.bulkhead.dom0_usb=LIST keeps these USB controllers
# in dom0; the rd.qubes. names mean the same. LIST is comma-separated: BB:DD.F, SSSS:BB:DD.F, or a path
# SSSS_BB_DD.F-BB_DD.F whose later bus numbers count from the bridge's secondary bus.
#
# Under Xen a device that cannot be hidden stops the boot. Without Xen there is nobody to give
# it to: driver_override alone keeps every driver off.

pci=/sys/bus/pci/devices

say() {
	echo "<$1>bulkhead: $2" > /dev/kmsg
}

# Prints the SBDF a LIST entry names; fails when there is no such device.
resolve() {
	case $1 in
	*_*)
		path=$1 found=''
		while [ -n "$path" ]; do
			part=${path%%-*}
			case $path in *-*) path=${path#*-} ;; *) path='' ;; esac
			if [ -z "$found" ]; then
				seg=${part%%_*} rest=${part#*_}
				bus=${rest%%_*}
			else
				seg=${found%%:*} rest=$part
				[ -r "$pci/$found/secondary_bus_number" ] || return 1
				read -r base < "$pci/$found/secondary_bus_number"
				bus=$(printf %02x $((base + 0x${part%%_*})))
			fi
			found=$seg:$bus:${rest#*_}
		done
		;;
	*:*:*) found=$1 ;;
	*) found=0000:$1 ;;
	esac
	[ -e "$pci/$found" ] || return 1
	echo "$found"
}

# Resolves a comma-separated LIST into words; unknown devices are fatal under Xen.
resolve_list() {
	old_ifs=$IFS
	IFS=,
	for entry in $1; do
		if sbdf=$(resolve "$entry"); then
			echo "$sbdf"
		else
			say 2 "PCI device $entry, named on the kernel command line, is not there"
			[ -z "$xen" ] || exit 1
		fi
	done
	IFS=$old_ifs
}

hide() {
	dev=$pci/$1
	[ -e "$dev/driver" ] && echo "$1" > "$dev/driver/unbind"
	echo pciback > "$dev/driver_override"
	[ -n "$xen" ] || return 0
	echo "$1" > /sys/bus/pci/drivers/pciback/new_slot
	[ -e "$dev/driver" ] || echo "$1" > /sys/bus/pci/drivers/pciback/bind
	driver=$(readlink "$dev/driver")
	[ "${driver##*/}" = pciback ]
}

xen='' usb='' extra='' keep=''
[ -d /proc/xen ] && xen=yes
read -r cmdline < /proc/cmdline
for word in $cmdline; do
	case $word in
	rd.bulkhead.hide_all_usb | rd.qubes.hide_all_usb) usb=yes ;;
	rd.bulkhead.hide_pci=* | rd.qubes.hide_pci=*) extra=$extra,${word#*=} ;;
	rd.bulkhead.dom0_usb=* | rd.qubes.dom0_usb=*) keep=$keep,${word#*=} ;;
	esac
done

list=''
for dev in "$pci"/*; do
	read -r class < "$dev/class" || continue
	case $class in
	0x02* | 0x0d*) list="$list ${dev##*/}" ;;
	0x0c03*) [ -n "$usb" ] && list="$list ${dev##*/}" ;;
	esac
done
kept=$(resolve_list "${keep#,}") || exit 1
kept=" $(printf '%s ' $kept)"
more=$(resolve_list "${extra#,}") || exit 1
list="$list $more"

if [ -z "$xen" ]; then
	say 4 "no Xen: network controllers get no driver, no qube can have them"
elif ! modprobe xen-pciback; then
	say 2 "xen-pciback cannot be loaded: network controllers would stay in dom0; stopping"
	exit 1
fi

status=0
for sbdf in $list; do
	case $kept in
	*" $sbdf "*)
		# The exception is for USB only; a network controller never stays.
		read -r class < "$pci/$sbdf/class"
		case $class in 0x0c03*) continue ;; esac
		;;
	esac
	hide "$sbdf" && continue
	say 2 "PCI device $sbdf could not be taken away from dom0; stopping"
	status=1
done
exit $status
