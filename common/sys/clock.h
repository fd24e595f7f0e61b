#pragma once

#include <stdint.h>

/* Milliseconds of a clock that only goes forward. */
int64_t now_ms(void);
/* Waits that long; a signal may end it early. */
void sleep_ms(int64_t ms);
