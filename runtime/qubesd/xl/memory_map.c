/* Whether the machine's memory map is one that a PV qube can have for its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xenctrl.h>

#include "runtime/qubesd/xl/xl.h"

/* libxl ends the qube's memory at the first hole above 1 MiB and puts the rest above 4 GiB. Below the hole must lie
 * what the domain builder loads before the kernel runs, from 16 MiB on: kernel, initramfs, p2m and page tables. */
enum { FIRST_MIB = 1 << 20, NEEDED = 256 << 20 };

/* Where the memory that begins at or below ADDR ends; entries that touch are one. */
static uint64_t end_of_ram(const struct e820entry *map, int n, uint64_t addr)
{
	for (int i = 0; i < n; i++)
		if (map[i].type == E820_RAM && map[i].addr <= addr && map[i].addr + map[i].size > addr) {
			addr = map[i].addr + map[i].size;
			i = -1; /* the next one may stand anywhere */
		}
	return addr;
}

int xl_map_has_room(void)
{
	struct e820entry map[E820MAX];
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	uint64_t end;
	int n = xc ? xc_get_machine_memory_map(xc, map, E820MAX) : -1;

	if (xc)
		xc_interface_close(xc);
	if (n < 0) {
		fprintf(stderr, "the machine's memory map cannot be read: %s\n", strerror(errno));
		return 0;
	}
	end = end_of_ram(map, n, FIRST_MIB);
	if (end < NEEDED)
		fprintf(stderr,
			"the machine's memory map has a hole at %llu KiB, too low for a kernel: the qube gets a plain map\n",
			(unsigned long long)end >> 10);
	return end >= NEEDED;
}
