/* Addresses as text, checked before they reach a command, a rule or a file. */
#pragma once

#include <stdbool.h>

#include "common/base/blob.h"

/* 4 or 6 for an address without prefix length, in any spelling; 0 for anything else. */
int address_family(const char *text);
/* xx:xx:xx:xx:xx:xx */
bool address_is_mac(const char *text);
/* A name of a network interface as Linux takes it, without anything that means something in a path. */
bool address_is_interface(const char *text);
