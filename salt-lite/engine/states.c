#include <stdio.h>

#include "salt-lite/engine/salt.h"

static const struct state_function *const tables[] = {file_states,	edit_states,    command_states,
						       qvm_states,     pkg_states,    service_states,
						       account_states, system_states, table_states};

void salt_show_states(void)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct state_function *f = tables[t]; f->module; f++)
			printf("%s.%s%s%s\n", f->module, f->function, f->parameters[0] ? " " : "", f->parameters);
}

const struct state_function *state_find(const char *module, const char *function)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct state_function *f = tables[t]; f->module; f++)
			if (!strcmp(f->module, module) && !strcmp(f->function, function))
				return f;
	return NULL;
}
