/* Verbs that go through QEMU's monitor. */
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/process.h"
#include "qa/qmp.h"
#include "qa/verbs.h"

int verb_qmp(struct run *r, const struct yaml_node *args, struct error *err)
{
	const char *text = NULL;
	json_t *command;
	int e = args->kind == YAML_SCALAR ? verb_expand(r, args, args->text, &text, err)
					  : yaml_error(args, err, "qmp takes a command as JSON in quotes");

	if (e < 0)
		return e;
	command = json_loads(text, 0, NULL);
	if (!json_is_object(command)) {
		json_decref(command);
		return yaml_error(args, err, "this is no JSON object");
	}
	return qmp_command(r, command, NULL, err);
}

static const char *capture_file(struct run *r, const char *name, unsigned nic)
{
	return arena_printf(r->arena, "%s/%s-net%u.pcap", r->dir, name, nic);
}

static int capture_start(struct run *r, const char *name, struct error *err)
{
	unsigned i = 0;
	int e = 0;

	for (const struct machine_nic *nic = r->machine->nics; e == 0 && nic; nic = nic->next, i++)
		e = qmp_command(r, json_pack("{s:s, s:{s:s, s:o, s:o, s:s}}", "execute", "object-add", "arguments",
					     "qom-type", "filter-dump", "id", json_sprintf("%s-net%u", name, i),
					     "netdev", json_sprintf("net%u", i), "file", capture_file(r, name, i)),
				NULL, err);
	return e;
}

/* How many packets of the capture the filter (pcap-filter(7)) lets through. */
static int count_packets(const char *file, const char *filter, uint64_t *count, struct error *err)
{
	_cleanup_strbuf_ struct strbuf said = {0};
	struct blob rest, line;
	int code = process_capture((const char *const[]){"tcpdump", "-nr", file, filter, NULL}, 64 << 20, &said);

	if (code)
		return error_set(err, -EIO, file, NULL, "tcpdump does not take it, or not the filter '%s'", filter);
	for (rest = strbuf_blob(&said); blob_token(&rest, '\n', &line);)
		*count += line.n != 0;
	return 0;
}

static int capture_stop(struct run *r, const char *name, const char *filter, const char *want, struct error *err)
{
	uint64_t count = 0;
	unsigned i = 0;
	int e = 0;

	for (const struct machine_nic *nic = r->machine->nics; e == 0 && nic; nic = nic->next, i++) {
		e = qmp_command(r, json_pack("{s:s, s:{s:o}}", "execute", "object-del", "arguments", "id",
					     json_sprintf("%s-net%u", name, i)), NULL, err);
		if (e == 0 && want)
			e = count_packets(capture_file(r, name, i), filter, &count, err);
	}
	if (e < 0 || !want || (count != 0) == !strcmp(want, "some"))
		return e;
	return error_set(err, -EIO, filter, NULL, "%llu packets instead of %s in capture %s", (unsigned long long)count,
			 want, name);
}

int verb_capture(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"start", "stop", "filter", "packets", NULL};
	const char *start = NULL, *stop = NULL, *filter = "", *packets = NULL;
	int e = yaml_check_keys(args, keys, err);

	if (e == 0)
		e = verb_argument(r, args, "start", &start, err);
	if (e == 0)
		e = verb_argument(r, args, "stop", &stop, err);
	if (e == 0)
		e = verb_argument(r, args, "filter", &filter, err);
	if (e == 0)
		e = verb_argument(r, args, "packets", &packets, err);
	if (e < 0)
		return e;
	if (!start == !stop || (start && packets))
		return yaml_error(args, err, "capture takes 'start', or 'stop' with 'filter' and 'packets'");
	if (packets && strcmp(packets, "some") && strcmp(packets, "none"))
		return yaml_error(args, err, "'packets' is some or none");
	return start ? capture_start(r, start, err) : capture_stop(r, stop, filter, packets, err);
}
