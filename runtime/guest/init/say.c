#include "runtime/guest/init/init.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

static int kmsg = -1;

void say_open(void)
{
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
}

/* One record a write; <N> is the level, and facility 3 (daemon) keeps it apart from the kernel's
 * own lines. */
static void __attribute__((format(printf, 3, 0)))
record(int level, const char *object, const char *fmt, va_list args)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "<%d>bulkhead-init: %s%s", 3 << 3 | level,
			 object ? object : "", object ? ": " : "");

	if (n > 0 && (size_t)n < sizeof(line))
		vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, args);
	if (kmsg >= 0)
		dprintf(kmsg, "%s\n", line);
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	record(6, NULL, fmt, args);
	va_end(args);
}

void complain(const char *object, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	record(3, object, fmt, args);
	va_end(args);
}

void stop(const char *object, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	record(2, object, fmt, args);
	va_end(args);
	say("the qube cannot start and powers off");
	sync();
	/* dom0 reads the console ring only while the qube exists. */
	sleep(1);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
