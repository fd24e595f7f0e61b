/* What the kernel's command line says to /init: kernel-parameters.txt, `init=`. */
#pragma once

#include "common/base/blob.h"

/* The last `init=` of the line, before a word `--`; empty when there is none. Points into `line`. */
struct blob cmdline_init(struct blob line);
