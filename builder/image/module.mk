builder_SRCS += $(addprefix builder/image/,outputs.c derive.c gpt.c tool.c root_tar.c erofs.c ext4.c \
	file.c kernel.c initramfs.c iso.c iso_boot.c iso_digests.c iso_fill_in.c iso_sums.c)

TESTS += test-gpt
test-gpt_SRCS := builder/tests/test_gpt.c
test-gpt_LIBS := builder

SLOW_TESTS += test-writers
test-writers_SRCS := builder/tests/test_writers.c
test-writers_LIBS := builder
