#include "runtime/network/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <string.h>

int address_family(const char *text)
{
	unsigned char raw[16];

	if (!text)
		return 0;
	return inet_pton(AF_INET, text, raw) == 1 ? 4 : inet_pton(AF_INET6, text, raw) == 1 ? 6 : 0;
}

bool address_is_mac(const char *text)
{
	if (!text || strlen(text) != 17)
		return false;
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

bool address_is_interface(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (!n || n >= IFNAMSIZ || text[0] == '.' || text[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
			return false;
	return true;
}
