# The form of the lists is needed by the ISO writer too; the rest is about finished media.
builder_SRCS += $(addprefix builder/medium/,device.c iso_read.c key_command.c signify.c sums.c verify.c \
	verify_command.c verity.c write.c write_command.c)
builder_PKGS += libsystemd libcrypto jansson
CHECK_FAST += builder/tests/medium-cases
