# The form of the lists is needed by the ISO writer too; the rest is about finished media.
builder_SRCS += $(addprefix builder/medium/,device.c iso_read.c key_command.c signify.c sums.c verify.c \
	verify_command.c verity.c write.c write_command.c)
builder_PKGS += libsystemd libcrypto jansson
TESTS += test-iso-read test-write
test-write_SRCS := builder/tests/test_write.c
test-write_LIBS := builder
test-iso-read_SRCS := builder/tests/test_iso_read.c
test-iso-read_LIBS := builder
CHECK_FAST += builder/tests/medium-cases

FUZZ += fuzz-iso fuzz-signify fuzz-sums fuzz-verity
fuzz-iso_SRCS := qa/fuzz/iso.c
fuzz-iso_LIBS := builder
fuzz-signify_SRCS := qa/fuzz/signify.c
fuzz-signify_LIBS := builder
fuzz-sums_SRCS := qa/fuzz/sums.c
fuzz-sums_LIBS := builder
fuzz-verity_SRCS := qa/fuzz/verity.c
fuzz-verity_LIBS := common
