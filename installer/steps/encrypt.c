#include <libcryptsetup.h>
#include <stdio.h>
#include <string.h>

#include "common/sys/clock.h"
#include "installer/device.h"

enum { KEY_BYTES = 64, TARGET_MS = 2000 };

/* libcryptsetup explains itself by messages only; the last one becomes the cause. */
static void keep_message(int level, const char *message, void *data)
{
	char *last = data;
	size_t n;

	if (level != CRYPT_LOG_ERROR)
		return;
	snprintf(last, 256, "%s", message);
	n = strlen(last);
	while (n && last[n - 1] == '\n')
		last[--n] = '\0';
}

static int crypt_error(const struct install *in, struct error *err, int code, const char *doing, const char *message)
{
	const char *device = in->plan->layout.parts[LAYOUT_ROOT].device;

	return error_set(err, code, device, NULL, "%s: %s", doing, *message ? message : strerror(-code));
}

static struct crypt_pbkdf_type key_derivation(const struct plan *plan)
{
	struct crypt_pbkdf_type pbkdf = {
		.type = CRYPT_KDF_ARGON2ID,
		.hash = "sha256",
		.time_ms = TARGET_MS,
		.max_memory_kb = (uint32_t)plan->argon2_kib,
		.parallel_threads = 4, /* at most; libcryptsetup lowers it to the CPUs there are */
	};

	if (plan->answers->insecure_test) {
		pbkdf.flags = CRYPT_PBKDF_NO_BENCHMARK;
		pbkdf.time_ms = 0;
		pbkdf.iterations = 4;
		pbkdf.parallel_threads = 1;
	}
	return pbkdf;
}

/* By the passphrase, not by a key at hand: shows that it opens the disk. */
static int activate(struct install *in, struct crypt_device *cd, char *message, struct error *err)
{
	const struct secret *pass = &in->plan->answers->passphrase;
	int r = crypt_activate_by_passphrase(cd, INSTALL_MAPPING, CRYPT_ANY_SLOT, pass->p, pass->n,
					     CRYPT_ACTIVATE_ALLOW_DISCARDS);

	if (r == -EPERM)
		return error_set(err, r, in->plan->layout.parts[LAYOUT_ROOT].device, "give the one it was made with",
				 "this is not its passphrase");
	return r < 0 ? crypt_error(in, err, r, "cannot open the encrypted partition", message) : 0;
}

static int add_recovery(struct install *in, struct crypt_device *cd, char *message, struct error *err)
{
	const struct secret *key = &in->plan->answers->recovery_key;
	int r = in->plan->answers->recovery ? crypt_keyslot_add_by_volume_key(cd, CRYPT_ANY_SLOT, NULL, 0, key->p, key->n) : 0;

	return r < 0 ? crypt_error(in, err, r, "cannot add the recovery key", message) : 0;
}

static int format(struct install *in, struct crypt_device *cd, char *message, struct error *err)
{
	const struct plan *plan = in->plan;
	const struct secret *pass = &plan->answers->passphrase;
	struct crypt_pbkdf_type pbkdf = key_derivation(plan);
	struct crypt_params_luks2 params = {
		.pbkdf = &pbkdf,
		.sector_size = plan->layout.luks_sector,
		.label = "bh-luks",
	};
	int r = crypt_format(cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL, NULL, KEY_BYTES, &params);

	if (r < 0)
		return crypt_error(in, err, r, "cannot write a LUKS2 header", message);
	r = crypt_keyslot_add_by_volume_key(cd, CRYPT_ANY_SLOT, NULL, 0, pass->p, pass->n);
	if (r < 0)
		return crypt_error(in, err, r, "cannot add the passphrase", message);
	r = add_recovery(in, cd, message, err);
	if (r < 0 || (r = activate(in, cd, message, err)) < 0)
		return r;
	snprintf(in->uuid.luks, sizeof(in->uuid.luks), "%s", crypt_get_uuid(cd));
	return 0;
}

/* What an earlier run made: the header must be that one. */
static int reopen(struct install *in, struct crypt_device *cd, char *message, struct error *err)
{
	int r = crypt_load(cd, CRYPT_LUKS2, NULL);

	if (r < 0)
		return crypt_error(in, err, r, "no LUKS2 header", message);
	if (!crypt_get_uuid(cd) || strcmp(crypt_get_uuid(cd), in->uuid.luks) != 0)
		return crypt_error(in, err, -ESTALE, "is another one", "its UUID is not the one that was noted");
	return activate(in, cd, message, err);
}

static int with_device(struct install *in, const char *device, struct error *err,
		       int (*work)(struct install *, struct crypt_device *, char *, struct error *))
{
	struct crypt_device *cd = NULL;
	char message[256] = "";
	int r = crypt_init(&cd, device);

	if (r < 0)
		return error_errno(err, r, device, "cannot open");
	crypt_set_log_callback(cd, keep_message, message);
	r = work(in, cd, message, err);
	crypt_free(cd);
	return r;
}

/* By `work`, with patience: udev may be reading the partition table just now, which takes the partition away for a moment. */
static int open_mapping(struct install *in, struct error *err,
			int (*work)(struct install *, struct crypt_device *, char *, struct error *))
{
	const char *device = in->plan->layout.parts[LAYOUT_ROOT].device;
	int r;

	/* From a try that failed behind the opening. */
	if (in->again && crypt_status(NULL, INSTALL_MAPPING) != CRYPT_INACTIVE)
		crypt_deactivate(NULL, INSTALL_MAPPING);
	for (unsigned tries = 0; (r = with_device(in, device, err, work)) < 0 && tries < 5; tries++) {
		if (r != -ENODEV && r != -ENOENT && r != -EBUSY && r != -ENOTBLK)
			break;
		sleep_ms(500);
	}
	return r < 0 ? r : device_wait("/dev/mapper/" INSTALL_MAPPING, err);
}

int step_encrypt(struct install *in, struct error *err)
{
	return open_mapping(in, err, format);
}

int step_encrypt_again(struct install *in, struct error *err)
{
	return open_mapping(in, err, reopen);
}
