#include "qa/stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t asked;
static void (*heard)(void);

static void hear(int signal)
{
	(void)signal;
	asked = 1;
	heard();
}

void stop_catch(void (*tell)(void))
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	/* Without SA_RESTART: what waits is to look up. */
	struct sigaction action = {.sa_handler = hear};

	heard = tell;
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
}

bool stop_asked(void)
{
	return asked;
}
