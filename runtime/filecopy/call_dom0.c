#include <stdlib.h>

#include "runtime/filecopy/call.h"

const bool call_needs_target = true;

void call_command(const char *target, const char *service, const char *argv[CALL_WORDS])
{
	const char *program = getenv("QVM_RUN");

	argv[0] = program ? program : "qvm-run";
	argv[1] = "--no-gui";
	argv[2] = "--pass-io";
	argv[3] = "--service";
	argv[4] = "--";
	argv[5] = target;
	argv[6] = service;
	argv[7] = NULL;
}
