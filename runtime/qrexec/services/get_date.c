/* qubes.GetDate[+nanoseconds]: the time of this domain, in the form of date(1)'s --iso-8601. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/qrexec/protocol.h"

int main(int argc, char **argv)
{
	bool nanoseconds = argc > 1 && !strcmp(argv[1], "nanoseconds");
	struct timespec now;
	struct tm utc;
	char text[64];

	if (argc > 2 || (argc == 2 && *argv[1] && !nanoseconds)) {
		fprintf(stderr, "qubes.GetDate: the only argument is nanoseconds\n");
		return QREXEC_EXIT_PROBLEM;
	}
	if (clock_gettime(CLOCK_REALTIME, &now) < 0 || !gmtime_r(&now.tv_sec, &utc) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc))
		return QREXEC_EXIT_PROBLEM;
	if (nanoseconds)
		printf("%s,%09ld+00:00\n", text, now.tv_nsec);
	else
		printf("%s+00:00\n", text);
	return fflush(stdout) ? QREXEC_EXIT_PROBLEM : 0;
}
