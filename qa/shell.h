/* Commands for the shell behind a serial line, in pieces that the line takes without loss. */
#pragma once

#include "common/base/strbuf.h"

enum {
	/*
	 * Xen keeps 128 bytes of console input for dom0 and drops what comes on top (SERIAL_RX_SIZE in its serial driver);
	 * a busy dom0 reads late. So no line is longer, and each is answered before the next one is sent.
	 */
	SHELL_LINE_MAX = 120,
};

/*
 * The next of the lines that put a command into the variable BH: appended to `line`, with its newline. `number` and
 * `piece` (from 1) go into the answer, `BH-PIECE-<number>-<piece>` and a carriage return. Returns what is left.
 */
const char *shell_piece(const char *command, unsigned number, unsigned piece, struct strbuf *line);
/* The line that runs what is in BH between BH-BEGIN-<number> and BH-END-<number> <exit code>. */
void shell_go(unsigned number, struct strbuf *line);
