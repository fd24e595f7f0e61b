/*
 * Signatures of indexes: a cleartext-signed file (RFC 9580 7) is split into its text and its
 * signature, and the host's gpgv, or sqv where that is what the host has, judges these two. Only
 * the text that was judged goes on.
 */
#pragma once

#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"

/*
 * Splits `in` (the file `name`) into *text, without the escapes, and the armoured *signature.
 * -EKEYREJECTED when it is not exactly one cleartext-signed message.
 */
int deb_clearsign_split(const char *name, struct blob in, struct strbuf *text,
			struct strbuf *signature, struct error *err);
/* Appends the binary form of an ASCII-armoured public key (or of several) to *out; -EBADMSG. */
int deb_dearmor(struct blob armour, struct strbuf *out);
/*
 * Appends to *out the binary keys of a file (armoured or binary), or of all *.asc and *.gpg in a folder.
 */
int deb_keyring_load(const char *path, struct strbuf *out, struct error *err);
/*
 * Verifies the cleartext-signed `in` with the binary keys and gives its text. At least one
 * signature must be by one of the keys and good, with SHA-256 or better; none may be bad.
 * -EKEYREJECTED: err says which way it is wrong.
 */
int deb_signature_verify(const char *name, struct blob in, struct blob keys, struct strbuf *text,
			 struct error *err);
