/* Leaving a file on a stick that somebody plugged in: logs of a failure, the report of an installation. */
#pragma once

#include "installer/plan.h"

#define STICK_LABEL "BULKHEADLOG"

/*
 * Takes the volume labelled BULKHEADLOG, or else the only volume (FAT, exFAT, ext4) on a USB disk that is neither the
 * medium, the target nor the one with the answers. *where is an allocated "FILE on DEVICE". -ENODEV and -ENOTUNIQ say
 * what to do.
 */
int stick_save(const struct plan *plan, const char *name, struct blob text, char **where, struct error *err);
