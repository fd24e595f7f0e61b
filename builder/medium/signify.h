/*
 * Keys and signatures in the format of signify(1): Ed25519 (libcrypto), two lines of text, so that
 * what we sign can be checked by OpenBSD's and Debian's tool, and the other way round. Secret keys
 * are written without a passphrase; one with a passphrase is refused: sign with signify itself.
 */
#pragma once

#include "common/base/blob.h"
#include "common/base/error.h"

/* A new pair: BASE.sec (only its owner reads it) and BASE.pub. -EEXIST: nothing is overwritten. */
int signify_generate(const char *base, struct error *err);
/* Writes FILE.sig, naming the public key's file as signify does. The same input gives the same bytes. */
int signify_sign(const char *secret_path, const char *file, struct error *err);
/* 0, or -EBADMSG: not this text, or not this key; err says which. */
int signify_verify(const char *public_path, struct blob text, const char *signature_path,
		   struct error *err);
