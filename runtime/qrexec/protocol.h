#pragma once
/*
 * The messages of qrexec, protocol version 4 (ref: runtime.md 3.1 to 3.3). All integers are in host order; every message is a
 * msg_header and `len` bytes. What arrives is untrusted: it is copied into these structures by the functions here, which
 * check lengths, terminators and character sets.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QREXEC_PROTOCOL_VERSION 4
#define QREXEC_PROTOCOL_MIN 2
/* Between daemon and client on their UNIX socket. */
#define QREXEC_SOCKET_VERSION 3

#define QREXEC_CONTROL_PORT 512
#define QREXEC_DATA_PORT_FIRST 513
#define QREXEC_DATA_PORTS 256
#define QREXEC_CONTROL_RING 4096
#define QREXEC_DATA_RING 65536

#define QREXEC_MAX_COMMAND 65535
#define QREXEC_MAX_SERVICE 65000 /* with its NUL */
#define QREXEC_CHUNK_V2 4096
#define QREXEC_CHUNK 65536
/* The largest message on a control channel: exec_params, command and NUL, or a trigger with its longest service. */
#define QREXEC_MAX_CONTROL (8 + QREXEC_MAX_COMMAND + 1)

enum qrexec_exit {
	QREXEC_EXIT_PROBLEM = 125,
	QREXEC_EXIT_REFUSED = 126,
	QREXEC_EXIT_NOT_FOUND = 127,
};

enum msg_type {
	MSG_DATA_STDIN = 0x190,
	MSG_DATA_STDOUT = 0x191,
	MSG_DATA_STDERR = 0x192,
	MSG_DATA_EXIT_CODE = 0x193,
	MSG_EXEC_CMDLINE = 0x200,
	MSG_JUST_EXEC = 0x201,
	MSG_SERVICE_CONNECT = 0x202,
	MSG_SERVICE_REFUSED = 0x203,
	MSG_TRIGGER_SERVICE = 0x210,
	MSG_CONNECTION_TERMINATED = 0x211,
	MSG_TRIGGER_SERVICE3 = 0x212,
	MSG_TRIGGER_SERVICE4 = 0x213,
	MSG_HELLO = 0x300,
};

struct msg_header {
	uint32_t type;
	uint32_t len;
};

struct peer_info {
	uint32_t version;
};

/* Followed by the command, NUL-terminated. */
struct exec_params {
	uint32_t connect_domain;
	uint32_t connect_port;
};

struct service_params {
	char ident[32];
};

struct trigger_service_params {
	char service_name[64];
	char target_domain[32];
	struct service_params request_id;
};

/* Followed by the service name, NUL-terminated. */
struct trigger_service_params3 {
	char target_domain[64];
	struct service_params request_id;
};

struct trigger_service_params4 {
	char source_domain[64];
	char target_domain[64];
	struct service_params request_id;
};

_Static_assert(sizeof(struct trigger_service_params) == 128, "wire format");
_Static_assert(sizeof(struct trigger_service_params3) == 96, "wire format");
_Static_assert(sizeof(struct trigger_service_params4) == 160, "wire format");

/* Whether a control message of this type may be this long: checked before anything of it is stored. */
bool control_length_ok(uint32_t type, uint32_t len);

/* Whether the n bytes are one string: a NUL at the last byte and nowhere else. */
bool is_one_string(const char *p, size_t n);

/*
 * Splits an exec message of n bytes. False when it is too short or the command is not one string. *command points into
 * the message.
 */
bool exec_message_parse(const void *message, size_t n, struct exec_params *params, const char **command);

/* A trigger of any version, in the form of version 4. */
struct trigger {
	struct trigger_service_params4 params;
	const char *service; /* points into the message, NUL-terminated */
	size_t service_n;    /* without the NUL */
};

/* False when the message is malformed: wrong length, a field without NUL, a service with NULs inside. */
bool trigger_parse(uint32_t type, const void *message, size_t n, struct trigger *t);

/* Whether a target, as policies and callers name it, is dom0. */
bool is_dom0(const char *target);

/* 4096 or 65536: the most one data message carries in this version. */
size_t chunk_of_version(unsigned version);
