#!/bin/sh
# Repeats on every console why the boot stopped.

if [ -s /run/bulkhead/problem ]; then
	exec < /run/bulkhead/problem
else
	exec <<-EOF
	The boot stopped. "journalctl -b -p warning" tells more.
	EOF
fi
read -r consoles < /sys/class/tty/console/active
while read -r line; do
	for tty in $consoles; do
		echo "bulkhead: $line" > "/dev/$tty"
	done
done
